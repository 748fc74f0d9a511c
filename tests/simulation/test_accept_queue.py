import errno
import socket
import struct

import pytest

from kit.hosts import OTHER, calling, code_of, listening, two_hosts


@pytest.mark.parametrize("backlog", [0, 1, 3])
def test_one_more_than_the_backlog_fits_in_and_the_others_get_in_when_there_is_room(
    backlog: int,
) -> None:
    world, one, other = two_hosts()
    server = listening(other, backlog=backlog)
    callers = [calling(one, OTHER) for _ in range(backlog + 4)]
    world.run(seconds=0.9)
    assert len(server.queue) == backlog + 1
    accepted = 0
    for _ in range(100):
        while not code_of(server.accept):
            accepted += 1
        world.run(seconds=1.0)
    assert accepted == len(callers)


def test_they_are_accepted_in_the_order_in_which_they_came() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    callers = []
    for _ in range(4):
        callers.append(calling(one, OTHER))
        world.run(seconds=0.001)
    world.run(seconds=1.0)
    ports = [server.accept()[1][1] for _ in callers]
    assert ports == [caller.getsockname()[1] for caller in callers]
    assert code_of(server.accept) == errno.EAGAIN


def test_closing_the_listener_resets_those_who_wait() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    caller = calling(one, OTHER)
    world.run(seconds=1.0)
    server.close()
    world.run(seconds=1.0)
    assert code_of(caller.recv, 1) == errno.ECONNRESET
    assert not other.kernel.streams.all()


@pytest.mark.parametrize("as_bsd", [False, True])
def test_one_that_was_reset_before_it_was_accepted(as_bsd: bool) -> None:
    world, one, other = two_hosts()
    other.limits.accept_tells_aborts = as_bsd
    server = listening(other)
    caller = calling(one, OTHER)
    world.run(seconds=1.0)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()
    world.run(seconds=1.0)
    if as_bsd:
        assert code_of(server.accept) == errno.ECONNABORTED
    else:
        callee, _ = server.accept()
        assert code_of(callee.recv, 1) == errno.ECONNRESET
    assert code_of(server.accept) == errno.EAGAIN


def test_without_a_descriptor_they_go_on_waiting() -> None:
    world, one, other = two_hosts()
    other.limits.descriptors = 4
    server = listening(other)
    calling(one, OTHER)
    world.run(seconds=1.0)
    assert code_of(server.accept) == errno.EMFILE
    assert server.poll_events() == 1
    other.limits.descriptors += 1
    server.accept()
