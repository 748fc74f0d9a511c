import select
import socket
from collections.abc import Iterator

import pytest

from rawserver.engine import pollers
from rawserver.engine.network import READABLE, WRITABLE, Poller
from rawserver.engine.pollers import best_poller

KINDS = [
    getattr(pollers, name)
    for name in ("EpollPoller", "KqueuePoller", "PollPoller", "SelectPoller")
    if hasattr(pollers, name)
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def poller(request: pytest.FixtureRequest) -> Iterator[Poller]:
    made: Poller = request.param()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    yield one, other
    one.close()
    other.close()


def test_it_tells_what_was_asked_and_nothing_else(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair
    descriptor = one.fileno()
    poller.register(descriptor, READABLE)
    assert poller.poll(0.0) == []
    poller.modify(descriptor, READABLE | WRITABLE)
    assert poller.poll(0.0) == [(descriptor, WRITABLE)]
    other.send(b"x")
    assert poller.poll(None) == [(descriptor, READABLE | WRITABLE)]
    poller.modify(descriptor, READABLE)
    assert poller.poll(0.0) == [(descriptor, READABLE)]
    assert poller.poll(0.0) == [(descriptor, READABLE)]  # level-triggered
    poller.unregister(descriptor)
    assert poller.poll(0.0) == []


def test_a_hang_up_is_readable(poller: Poller, pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    poller.register(one.fileno(), READABLE)
    other.close()
    ((descriptor, events),) = poller.poll(1.0)
    assert descriptor == one.fileno()
    assert events & READABLE


def test_a_fraction_of_a_millisecond_is_waited_for(
    poller: Poller, pair: tuple[socket.socket, socket.socket]
) -> None:
    poller.register(pair[0].fileno(), READABLE)
    assert poller.poll(0.0001) == []


def test_a_descriptor_that_was_closed_can_still_be_unregistered(poller: Poller) -> None:
    one, other = socket.socketpair()
    descriptor = one.fileno()
    poller.register(descriptor, READABLE)
    one.close()
    other.close()
    poller.unregister(descriptor)
    assert poller.poll(0.0) == []


def test_the_best_of_this_system_is_taken() -> None:
    poller = best_poller()
    if hasattr(select, "epoll"):
        assert type(poller).__name__ == "EpollPoller"
    poller.close()
