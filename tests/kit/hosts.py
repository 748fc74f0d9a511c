"""Two simulated hosts, and sockets between them."""

from __future__ import annotations

import errno
import socket
from typing import Any

from rawserver.simulation import Host, World

ONE, OTHER = "10.0.0.1", "10.0.0.2"
ONE_IPV6, OTHER_IPV6 = "fd00::1", "fd00::2"
LATENCY = 0.02


def two_hosts(seed: int = 0) -> tuple[World, Host, Host]:
    """Return a world with two hosts, 20 ms apart."""
    world = World(seed)
    one = world.add_host("one", ONE, ONE_IPV6)
    return world, one, world.add_host("other", OTHER, OTHER_IPV6)


def listening(host: Host, port: int = 80, backlog: int = 5) -> Any:
    """Return a socket that listens at every address of a host."""
    sock = host.kernel.socket(socket.AF_INET6, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("::", port))
    sock.listen(backlog)
    return sock


def calling(host: Host, ip: str, port: int = 80) -> Any:
    """Return a socket that is being connected."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = host.kernel.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    assert sock.connect_ex((ip, port)) == errno.EINPROGRESS
    return sock


def joined(world: World, one: Host, other: Host, ip: str = OTHER) -> tuple[Any, Any]:
    """Return the two ends of a connection, the caller's first."""
    server = listening(other)
    caller = calling(one, ip)
    world.run(seconds=4 * LATENCY)
    callee, _ = server.accept()
    callee.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.close()
    return caller, callee


def datagram_socket(host: Host, ip: str = "0.0.0.0", port: int = 0) -> Any:
    """Return a datagram socket that is bound."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = host.kernel.socket(family, socket.SOCK_DGRAM)
    sock.bind((ip, port))
    return sock


def code_of(call: Any, *args: Any) -> int:
    """Return the errno that a call fails with; 0 if it goes well."""
    try:
        call(*args)
    except OSError as error:
        return error.errno or -1
    return 0


def read_all(sock: Any) -> bytes:
    """Return what has come, up to where there is no more now, or the end."""
    parts = []
    while True:
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            break
        if not data:
            break
        parts.append(data)
    return b"".join(parts)
