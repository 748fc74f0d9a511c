import errno
import socket
from typing import Any

import pytest

from rawserver.engine.acceptor import acceptor, set_no_delay


class Accepted:
    """A socket that notes what it is asked for."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def setblocking(self, flag: bool) -> None:
        self.calls.append(flag)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.calls.append((level, option, value))


class Listening:
    def __init__(self, address: object) -> None:
        self.accepted = Accepted()
        self.address = address

    def accept(self) -> tuple[Accepted, object]:
        return self.accepted, self.address


def accept(address: object) -> list[object]:
    listening: Any = Listening(address)
    assert acceptor(listening)() == (listening.accepted, address)
    return list(listening.accepted.calls)


def test_what_is_accepted_does_not_block_nor_delay() -> None:
    assert accept(("127.0.0.1", 1)) == [False, (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]


def test_a_unix_socket_has_no_delay_to_switch_off() -> None:
    assert accept("") == [False]


def test_what_accept_raises_is_raised() -> None:
    with socket.create_server(("127.0.0.1", 0)) as serversocket:
        serversocket.setblocking(False)
        with pytest.raises(BlockingIOError):
            acceptor(serversocket)()


class Refusing:
    asked = False

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.asked = True
        raise OSError(errno.EINVAL, "the peer has gone")


def test_a_socket_that_refuses_is_left_as_it_is() -> None:
    sock: Any = Refusing()
    set_no_delay(sock)
    assert sock.asked
