import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rawserver.engine.acceptor import set_no_delay
from rawserver.engine.os_acceptor import os_acceptor


@pytest.fixture(params=["127.0.0.1", "::1"])
def serversocket(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as sock:
        sock.setblocking(False)
        yield sock


def test_sockets_are_made_without_the_class_in_python(serversocket: socket.socket) -> None:
    """This fails if a Python has no `_accept` any more: then each connection costs more again."""
    with socket.create_connection(serversocket.getsockname()[:2]) as peer:
        sock, address = os_acceptor(serversocket)()
        assert type(sock) is socket.SocketType
        assert type(sock) is not socket.socket
        assert address == peer.getsockname()
        sock.close()


def test_what_is_accepted_is_as_a_socket_that_was_set_up(serversocket: socket.socket) -> None:
    with socket.create_connection(serversocket.getsockname()[:2]) as peer:
        sock, _ = os_acceptor(serversocket)()
        assert sock.gettimeout() == 0.0
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.family == serversocket.family
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        peer.sendall(b"hello")
        peer.shutdown(socket.SHUT_WR)
        peer.settimeout(10.0)
        sock.setblocking(True)
        assert sock.recv(100, socket.MSG_WAITALL) == b"hello"
        sock.close()
        assert peer.recv(1) == b""


def test_no_delay_that_the_listening_socket_hands_down_is_not_set_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as serversocket:
        set_no_delay(serversocket)
        with socket.create_connection(serversocket.getsockname()):
            sock, _ = os_acceptor(serversocket)()
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            sock.close()


def test_nobody_waits(serversocket: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        os_acceptor(serversocket)()


def test_unix_sockets(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as serversocket, socket.socket(socket.AF_UNIX) as peer:
        serversocket.bind(str(tmp_path / "s"))
        serversocket.listen()
        accept = os_acceptor(serversocket)
        peer.connect(str(tmp_path / "s"))
        sock, address = accept()
        assert not isinstance(address, tuple)
        assert sock.gettimeout() == 0.0
        sock.close()


def test_one_that_accepts_in_its_own_manner_is_asked() -> None:
    ours, theirs = socket.socketpair()

    class Own(socket.socket):
        def accept(self) -> Any:
            return ours, ""

    with Own() as serversocket, ours, theirs:
        assert os_acceptor(serversocket)() == (ours, "")
        assert ours.gettimeout() == 0.0
