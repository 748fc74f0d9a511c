"""Sockets that are bound to a local address: listening ones, datagram and multicast ones.

Type of service is set where the system lets us, and never fails a socket: it asks routers for a
favour. OSError where an address cannot be had; nothing is left open then.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

from rawserver.engine.acceptor import set_no_delay
from rawserver.engine.addresses import literal_address, unix_address
from rawserver.engine.network import Network, Socket, SocketAddress

# What a system without IPv6 says of one of its sockets or of "::", and one without IPv4 of its.
_NO_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
# How often a free port of IPv4 may be somebody's for IPv6 before there is none.
_PORT_TRIES = 16
# Linux's <linux/in.h> and <linux/in6.h>; not in `socket`.
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29
# <asm-generic/socket.h>.
_SO_RCVBUFFORCE = 33


def listening_socket(
    network: Network, port: int, bind: str, backlog: int, reuse_port: bool = False, tos: int = 0
) -> Socket:
    """Return a stream socket that listens on a port (0: any free one) of an address.

    "" is every address, IPv6 and IPv4. With `reuse_port` several sockets of one user may listen
    on the port, each of them with it, and the system shares connections out to them.
    """

    def prepare(sock: Socket, family: int) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            _reuse_port(sock)
        # What a listening socket has, its connections begin with.
        set_tos(sock, family, tos)
        set_no_delay(sock)

    return _listening(_bound(network, port, bind, socket.SOCK_STREAM, prepare), backlog)


def datagram_socket(
    network: Network,
    port: int,
    bind: str,
    reuse_port: bool = False,
    tos: int = 0,
    receive_buffer: int | None = None,
) -> Socket:
    """Return a datagram socket, bound as `listening_socket` says.

    `receive_buffer`: bytes that may wait to be taken, as far as the system lets us (Linux:
    net.core.rmem_max, or anything for who may administer the network); None leaves it to the
    system. What does not fit is lost. A small datagram takes some 800 bytes of it.
    """

    prepare = _for_datagrams(reuse_port, tos, receive_buffer)
    return _bound(network, port, bind, socket.SOCK_DGRAM, prepare)


def datagram_sockets(
    network: Network, port: int, reuse_port: bool = False, receive_buffer: int | None = None
) -> list[Socket]:
    """Return a datagram socket for IPv4 and one for IPv6, on one port (0: any free one).

    Each is bound to every address of its family, and one that the system has not is left out. To
    the system a datagram of IPv4 is less work so than on a socket for both.
    """
    prepare = _for_datagrams(reuse_port, 0, receive_buffer)
    tries = 1 if port else _PORT_TRIES
    while True:
        tries -= 1
        try:
            return _one_each(network, port, prepare)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not tries:
                raise


def _one_each(network: Network, port: int, prepare: Preparation) -> list[Socket]:
    sockets: list[Socket] = []
    missing: OSError | None = None
    for family, ip in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        where = SocketAddress(family, (ip, port))
        try:
            sock = _bound_to(network, where, socket.SOCK_DGRAM, prepare, ipv6_only=True)
        except OSError as error:
            if error.errno not in _NO_FAMILY:
                for other in sockets:
                    other.close()
                raise
            missing = error
        else:
            sockets.append(sock)
            port = sock.getsockname()[1]
    if not sockets:
        assert missing is not None
        raise missing
    return sockets


def _for_datagrams(reuse_port: bool, tos: int, receive_buffer: int | None) -> Preparation:
    def prepare(sock: Socket, family: int) -> None:
        if reuse_port:
            _reuse_port(sock)
        set_tos(sock, family, tos)
        if receive_buffer is not None:
            _set_receive_buffer(sock, receive_buffer)

    return prepare


def _set_receive_buffer(sock: Socket, size: int) -> None:
    # Linux cuts a size to its limit; BSD's systems refuse one, and leave it as it is.
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        if sys.platform == "linux" and sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) < size:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)


def unix_listening_socket(
    network: Network, path: str, backlog: int, mode: int | None = None
) -> Socket:
    """Return a stream socket that listens at a path, or at an abstract name of Linux.

    A name begins with a zero byte or, as people write it, with "@" (a file called so is "./@...").
    The file of a socket on which nobody listens any more is replaced; EADDRINUSE if somebody
    does, or if the file is another's. `mode` is the file's permissions, else the umask's. The
    file stays when the socket is closed. EOPNOTSUPP for a name where the system has none.
    """
    family, address = unix_address(path)
    is_name = address.startswith("\0")
    if is_name and sys.platform != "linux":
        raise OSError(errno.EOPNOTSUPP, f"only Linux has abstract names of sockets: {path!r}")
    if is_name and mode is not None:
        raise ValueError("an abstract name has no permissions")
    sock = network.socket(family, socket.SOCK_STREAM)
    try:
        try:
            sock.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or is_name or not _is_stale(network, address):
                raise
            network.remove_unix_socket(address)
            sock.bind(address)
        if mode is not None:
            # Before it listens: until then nobody can connect.
            network.set_unix_socket_mode(address, mode)
    except (OSError, ValueError):
        sock.close()
        raise
    return _listening(sock, backlog)


def _is_stale(network: Network, path: str) -> bool:
    # Only a refusal says that nobody is there. A full backlog is EAGAIN, a datagram socket
    # EPROTOTYPE, one of another user EACCES.
    sock = network.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        return sock.connect_ex(path) == errno.ECONNREFUSED
    finally:
        sock.close()


def multicast_socket(
    network: Network,
    port: int,
    group: str,
    bind: str = "",
    interface: str = "",
    ttl: int = 1,
    loopback: bool = True,
    tos: int = 0,
) -> Socket:
    """Return a datagram socket that has joined a group (RFC 1112, RFC 3493 section 5.2).

    It takes what comes to `port` at the group and at `bind`, "" being each address of the group's
    family; others on this machine may have the same port. `interface`, a name such as "eth0",
    or for IPv4 one of its addresses, is where it joins and sends; "" leaves it to the system.
    What is sent passes `ttl` - 1 routers, and comes back to members on this machine with
    `loopback`. ValueError if `group` or `ttl` (0 to 255) is none, OSError if it cannot be joined.
    """
    version, packed = _group(group)
    if not 0 <= ttl <= 255:
        raise ValueError(f"not a time to live: {ttl}")
    where = bind or ("0.0.0.0" if version == 4 else "::")

    def prepare(sock: Socket, family: int) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform != "linux":
            _reuse_port(sock)  # BSD's for a port that several members have
        set_tos(sock, family, tos)

    sock = _bound(network, port, where, socket.SOCK_DGRAM, prepare)
    try:
        if version == 4:
            _join_ipv4(sock, packed, interface, ttl, loopback)
        else:
            _join_ipv6(sock, packed, interface, ttl, loopback)
    except OSError:
        sock.close()
        raise
    return sock


def _group(group: str) -> tuple[int, bytes]:
    address = ipaddress.ip_address(group)
    if not address.is_multicast:
        raise ValueError(f"not the address of a multicast group: {group}")
    return address.version, address.packed


def _join_ipv4(sock: Socket, group: bytes, interface: str, ttl: int, loopback: bool) -> None:
    address, index = bytes(4), 0
    if interface:
        literal = literal_address(interface, 0)
        if literal is None:
            index = socket.if_nametoindex(interface)
        else:
            address = socket.inet_pton(socket.AF_INET, interface)
        sock.setsockopt(
            socket.IPPROTO_IP,
            socket.IP_MULTICAST_IF,
            struct.pack("=4s4si", bytes(4), address, index),
        )
    # struct ip_mreqn, which BSD and macOS have from Linux.
    membership = struct.pack("=4s4si", group, address, index)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, int(loopback))
    if sys.platform == "linux":
        # Else it is given what comes to a group that some other program joined.
        sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)


def _join_ipv6(sock: Socket, group: bytes, interface: str, ttl: int, loopback: bool) -> None:
    index = socket.if_nametoindex(interface) if interface else 0
    level = socket.IPPROTO_IPV6
    if interface:
        sock.setsockopt(level, socket.IPV6_MULTICAST_IF, index)
    sock.setsockopt(level, socket.IPV6_JOIN_GROUP, struct.pack("=16sI", group, index))
    sock.setsockopt(level, socket.IPV6_MULTICAST_HOPS, ttl)
    sock.setsockopt(level, socket.IPV6_MULTICAST_LOOP, int(loopback))
    if sys.platform == "linux":
        with suppress(OSError):  # since 4.20
            sock.setsockopt(level, _IPV6_MULTICAST_ALL, 0)


def set_tos(sock: Socket, family: int, tos: int) -> None:
    """Ask for a type of service (RFC 791) or traffic class (RFC 8200, section 7), if not 0."""
    if not tos:
        return
    with suppress(OSError):
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    if family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):  # an IPv6 socket's own IPv4 traffic, where the system has it
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)


def _reuse_port(sock: Socket) -> None:
    option = getattr(socket, "SO_REUSEPORT", None)
    if option is None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP) + ": SO_REUSEPORT")
    sock.setsockopt(socket.SOL_SOCKET, option, 1)


def _listening(sock: Socket, backlog: int) -> Socket:
    try:
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


Preparation = Callable[[Socket, int], None]


def _bound(network: Network, port: int, bind: str, kind: int, prepare: Preparation) -> Socket:
    if not bind:
        try:
            return _bound_to(network, SocketAddress(socket.AF_INET6, ("::", port)), kind, prepare)
        except OSError as error:
            # A port that is taken is taken for both families.
            if error.errno not in _NO_FAMILY:
                raise
            every = SocketAddress(socket.AF_INET, ("0.0.0.0", port))
            return _bound_to(network, every, kind, prepare)
    found = literal_address(bind, port) or network.resolve(bind, port, kind)[0]
    return _bound_to(network, found, kind, prepare)


def _bound_to(
    network: Network,
    where: SocketAddress,
    kind: int,
    prepare: Preparation,
    ipv6_only: bool = False,
) -> Socket:
    family, address = where
    sock = network.socket(family, kind)
    try:
        prepare(sock, family)
        if family == socket.AF_INET6:
            alone = ipv6_only or address[0] != "::"
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(alone))
        sock.bind(address)
    except (OSError, OverflowError):
        sock.close()
        raise
    return sock
