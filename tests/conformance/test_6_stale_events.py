"""An event polled before a socket died reaches no other that was given its descriptor."""

import socket

from kit.joined import Joiner
from kit.loop import run_until
from kit.recorder import Recorder
from kit.system import needs_the_system
from rawserver import RawServer, SingleSocket


def test_a_descriptor_is_not_given_away_before_the_turn_is_over(
    raw_server: RawServer, join: Joiner
) -> None:
    """Two connections have events in one turn; whichever comes first ends both and opens more."""
    needs_the_system(raw_server.network, "pairs of sockets are the system's")
    new: list[Recorder] = []
    old: list[SingleSocket] = []

    def replace(connection: SingleSocket) -> None:
        descriptors = [one.fileno() for one in old]
        for one in old:
            one.close()
        for _ in range(4):
            handler = Recorder()
            new.append(handler)
            mine, theirs = socket.socketpair()
            pairs.append(theirs)
            made = raw_server.wrap_socket(mine, handler)
            assert made.fileno() not in descriptors

    pairs: list[socket.socket] = []
    handlers = [Recorder(data_came_in=replace), Recorder(data_came_in=replace)]
    ends = [join(raw_server, Recorder(), handler) for handler in handlers]
    old += [other for _, other in ends]
    for connection, _ in ends:
        connection.write(b"hello")
    run_until(raw_server, lambda: new)
    for _ in range(3):
        raw_server.listen_once(0.0)
    assert sum(handler.events.count("data_came_in") for handler in handlers) == 1
    assert all(not handler.events for handler in new)
    for sock in pairs:
        sock.close()


def test_one_that_pauses_another_in_the_same_turn_is_obeyed(
    raw_server: RawServer, join: Joiner
) -> None:
    others: list[SingleSocket] = []

    def pause_all(connection: SingleSocket) -> None:
        for other in others:
            other.pause_reading()

    handlers = [Recorder(data_came_in=pause_all), Recorder(data_came_in=pause_all)]
    ends = [join(raw_server, Recorder(), handler) for handler in handlers]
    others += [other for _, other in ends]
    for connection, _ in ends:
        connection.write(b"hello")
    run_until(raw_server, lambda: any(handler.data for handler in handlers))
    for _ in range(3):
        raw_server.listen_once(0.0)
    assert sum(handler.events.count("data_came_in") for handler in handlers) == 1
