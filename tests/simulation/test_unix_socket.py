import errno
import socket
from typing import Any

import pytest

from kit.hosts import code_of, two_hosts
from rawserver.simulation import Host, World
from rawserver.simulation.description import HANG_UP, READABLE, WRITABLE

MSG_PEEK = socket.MSG_PEEK


def made(host: Host) -> Any:
    return host.kernel.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def serving(host: Host, path: str = "/s", backlog: int = 5) -> Any:
    sock = made(host)
    sock.bind(path)
    sock.listen(backlog)
    return sock


def pair(path: str = "/s") -> tuple[Host, Any, Any]:
    host = World().add_host("host")
    server = serving(host, path)
    caller = made(host)
    assert caller.connect_ex(path) == 0
    callee, _ = server.accept()
    return host, caller, callee


@pytest.mark.parametrize("path", ["/s", "/run/long/s", "\0name"])
def test_a_path_and_an_abstract_name(path: str) -> None:
    _, caller, callee = pair(path)
    shown = path.encode() if path[0] == "\0" else path
    assert callee.getsockname() == caller.getpeername() == shown
    assert caller.getsockname() == callee.getpeername() == ""
    caller.send(b"question")
    assert callee.recv(100) == b"question"
    callee.send(b"answer")
    assert caller.recv(3, MSG_PEEK) == b"ans"
    buffer = bytearray(10)
    assert caller.recv_into(buffer) == 6


def test_nobody_there() -> None:
    host = World().add_host("host")
    sock = made(host)
    assert sock.connect_ex("/no/such/path") == errno.ENOENT
    assert sock.connect_ex("\0nobody") == errno.ECONNREFUSED
    server = serving(host)
    server.close()
    assert sock.connect_ex("/s") == errno.ECONNREFUSED
    host.disk.put("/file", b"")  # type: ignore[attr-defined]
    assert sock.connect_ex("/file") == errno.ECONNREFUSED


def test_hosts_have_paths_of_their_own() -> None:
    _, one, other = two_hosts()
    serving(one)
    assert made(other).connect_ex("/s") == errno.ENOENT


def test_a_path_stays_behind_and_is_removed_by_its_name() -> None:
    host = World().add_host("host")
    serving(host).close()
    assert code_of(made(host).bind, "/s") == errno.EADDRINUSE
    host.network.set_unix_socket_mode("/s", 0o600)
    host.network.remove_unix_socket("/s")
    assert code_of(host.network.remove_unix_socket, "/s") == errno.ENOENT
    assert code_of(host.network.set_unix_socket_mode, "/s", 0o600) == errno.ENOENT
    serving(host)
    host.disk.put("/file", b"")  # type: ignore[attr-defined]
    assert code_of(host.network.remove_unix_socket, "/file") == errno.EADDRINUSE
    assert code_of(made(host).bind, "/file") == errno.EADDRINUSE
    serving(host, "\0name").close()
    serving(host, "\0name")


def test_a_full_backlog_is_not_waited_for() -> None:
    host = World().add_host("host")
    server = serving(host, backlog=1)
    callers = [made(host) for _ in range(3)]
    assert [caller.connect_ex("/s") for caller in callers] == [0, 0, errno.EAGAIN]
    server.accept()
    assert callers[2].connect_ex("/s") == 0


def test_a_buffer_holds_so_much() -> None:
    host, caller, callee = pair()
    sent = 0
    while not (code := code_of(caller.send, b"x" * 10_000)):
        sent += 10_000
    assert code == errno.EAGAIN
    assert host.limits.unix_buffer - 10_000 <= sent <= host.limits.unix_buffer + 10_000
    assert caller.unacknowledged == callee._received.size
    assert not caller.poll_events() & WRITABLE
    poller = host.network.make_poller()
    poller.register(caller.fileno(), WRITABLE)
    assert poller.poll(0.0) == []
    while not code_of(callee.recv, 65536):
        pass
    assert poller.poll(0.0) == [(caller.fileno(), WRITABLE)]


def test_ends() -> None:
    _, caller, callee = pair()
    caller.send(b"last words")
    caller.close()
    assert callee.poll_events() & (READABLE | HANG_UP) == READABLE | HANG_UP
    assert code_of(callee.send, b"x") == errno.EPIPE
    assert callee.recv(100) == b"last words"
    assert callee.recv(100) == b""
    _, caller, callee = pair()
    caller.send(b"unread")
    callee.close()
    assert code_of(caller.recv, 10) == errno.ECONNRESET
    assert caller.recv(10) == b""
    _, caller, callee = pair()
    caller.shutdown(socket.SHUT_WR)
    assert callee.recv(1) == b""
    callee.send(b"still")
    assert caller.recv(10) == b"still"


def test_closing_the_listener_resets_those_who_wait() -> None:
    host = World().add_host("host")
    server = serving(host)
    caller = made(host)
    caller.connect_ex("/s")
    server.close()
    assert code_of(caller.recv, 1) == errno.ECONNRESET


def test_what_is_no_path() -> None:
    host = World().add_host("host")
    sock = made(host)
    assert code_of(sock.bind, "") == errno.EINVAL
    with pytest.raises(OSError, match="too long"):
        sock.bind("/" + "x" * 107)
    with pytest.raises(TypeError):
        sock.bind(("127.0.0.1", 80))
    sock.bind("/" + "x" * 106)
    assert code_of(made(host).listen) == errno.EINVAL
