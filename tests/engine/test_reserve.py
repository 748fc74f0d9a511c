import errno
import os
import socket
from typing import Any

import pytest

from rawserver import OsNetwork
from rawserver.engine.reserve import Reserve


def open_descriptors() -> set[str]:
    return set(os.listdir("/dev/fd"))


class Scarce:
    """A system that has so many descriptors."""

    def __init__(self, most: int) -> None:
        self.left = most

    def take(self) -> "Held":
        if not self.left:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self.left -= 1
        return Held(self)

    def socket(self, family: int, kind: int) -> "Held":
        return self.take()


class Held:
    def __init__(self, system: Scarce) -> None:
        self._system = system
        self.closed = False

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        self._system.left += 1


class Backlog:
    """A server socket on which so many wait, of a system where descriptors are scarce."""

    def __init__(self, system: Scarce, waiting: int) -> None:
        self._system = system
        self.waiting = waiting
        self.accepted: list[Held] = []

    def accept(self) -> tuple[Held, Any]:
        if not self.waiting:
            raise BlockingIOError
        held = self._system.take()
        self.waiting -= 1
        self.accepted.append(held)
        return held, ("192.0.2.1", 1)


def test_when_there_are_no_descriptors_those_who_wait_are_closed_with_one() -> None:
    system = Scarce(1)
    reserve = Reserve(system)
    reserve.fill()
    assert system.left == 0
    backlog = Backlog(system, 5)
    assert reserve.shed(backlog, 64) == 5
    assert all(held.closed for held in backlog.accepted)
    assert system.left == 0  # it is kept again


def test_no_more_are_closed_than_was_said() -> None:
    system = Scarce(1)
    reserve = Reserve(system)
    reserve.fill()
    backlog = Backlog(system, 5)
    assert reserve.shed(backlog, 3) == 3
    assert backlog.waiting == 2


def test_without_a_reserve_nobody_is_closed_and_one_is_kept_when_there_is_room() -> None:
    system = Scarce(0)
    reserve = Reserve(system)
    reserve.fill()
    backlog = Backlog(system, 5)
    assert reserve.shed(backlog, 64) == 0
    system.left = 1
    reserve.fill()
    reserve.fill()
    assert system.left == 0
    assert reserve.shed(backlog, 64) == 5


def test_it_is_given_back_at_the_end() -> None:
    system = Scarce(3)
    reserve = Reserve(system)
    reserve.fill()
    reserve.close()
    reserve.close()
    assert system.left == 3


def test_over_the_real_system_the_peers_see_their_end_and_no_descriptor_is_left() -> None:
    before = open_descriptors()
    reserve = Reserve(OsNetwork())
    reserve.fill()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        peers = [socket.create_connection(server.getsockname()) for _ in range(3)]
        shed = 0
        while shed < 3:
            shed += reserve.shed(server, 64)
        for peer in peers:
            peer.settimeout(10.0)
            try:
                assert peer.recv(1) == b""
            except ConnectionResetError:
                pass
            peer.close()
    reserve.close()
    assert open_descriptors() == before


@pytest.mark.parametrize("limit", [0, 1])
def test_with_nobody_waiting_it_is_kept(limit: int) -> None:
    system = Scarce(1)
    reserve = Reserve(system)
    reserve.fill()
    assert reserve.shed(Backlog(system, 0), limit) == 0
    assert system.left == 0
