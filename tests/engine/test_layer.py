import socket
from typing import Any

import pytest

from kit.joined import join
from kit.loop import run_until
from kit.recorder import Recorder
from kit.wires import MemoryWire, wire_pair
from rawserver import READABLE, WRITABLE, RawServer
from rawserver.engine.layer import Layer, Wire, send_file


class Above:
    def __init__(self) -> None:
        self.told: list[int] = []

    def ready(self, events: int) -> None:
        self.told.append(events)


def standing(count: int) -> tuple[MemoryWire, Above, list[Layer]]:
    """A wire, what is above it, and so many layers between, the lowest first."""
    wire, above = MemoryWire(), Above()
    wire.above = above
    layers: list[Any] = [Layer(wire)]
    for _ in range(count - 1):
        layers.append(Layer(layers[-1]))
    return wire, above, layers


def test_each_layer_stands_between_the_one_before_and_what_was_above() -> None:
    wire, above, (low, high) = standing(2)
    assert (wire.above, low.above, high.above) == (low, high, above)
    assert (low.below, high.below) == (wire, low)
    wire.above.ready(READABLE)
    assert above.told == [READABLE]
    high.want(WRITABLE)
    assert wire.events == WRITABLE


def test_one_that_comes_later_may_go_beneath() -> None:
    wire, above, (high,) = standing(1)
    low = Layer(wire)
    assert (wire.above, low.above, high.above) == (low, high, above)
    assert (high.below, low.below) == (low, wire)


def test_what_a_layer_does_not_change_is_done_by_the_one_below() -> None:
    one, other = wire_pair()
    one.above = other.above = Above()
    layer: Any = Layer(Layer(one))
    assert layer.send(b"ab") == 2
    assert layer.sendmsg([b"c", b"de"]) == 3
    assert other.recv(10) == b"abcde"
    other.send(b"answer")
    assert layer.recv(3) == b"ans"
    buffer = bytearray(2)
    other.recv_into = None
    one.recv_into = lambda room: room.__setitem__(slice(0, 2), one.recv(2)) or 2  # type: ignore[attr-defined]
    assert layer.recv_into(buffer) == 2
    assert buffer == b"we"
    layer.shutdown(socket.SHUT_WR)
    assert one.shut == [socket.SHUT_WR]
    one.unsent = 7
    assert layer.unsent == 7
    one.sendfile = lambda file, offset, count: count  # type: ignore[attr-defined]
    assert send_file(layer, Any, 0, 9) == 9


def test_the_end_goes_through_all_layers() -> None:
    class Noting(Layer):
        __slots__ = ("ended",)

        def lost(self) -> None:
            self.ended = True
            super().lost()

    wire = MemoryWire()
    wire.above = Above()
    low = Noting(wire)  # type: ignore[arg-type]
    Layer(low).lost()
    assert low.ended


@pytest.fixture
def wired(raw_server: RawServer) -> Any:
    """A wire on one end of a pair of sockets, what is above it, and the other end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    above = Above()
    wire = Wire(raw_server, ours, above)
    yield wire, above, theirs
    wire.forget()
    theirs.close()
    raw_server.listen_once(0.0)
    assert ours.fileno() == -1


def test_a_wire_tells_of_what_is_wanted_alone(raw_server: RawServer, wired: Any) -> None:
    wire, above, theirs = wired
    wire.register(READABLE)
    raw_server.listen_once(0.0)
    assert above.told == []
    theirs.send(b"x")
    run_until(raw_server, lambda: above.told)
    assert set(above.told) == {READABLE}
    wire.want(WRITABLE)
    above.told.clear()
    run_until(raw_server, lambda: above.told)
    assert set(above.told) == {WRITABLE}
    wire.want(0)
    above.told.clear()
    theirs.send(b"y")
    raw_server.listen_once(0.0)
    assert above.told == []


def test_what_was_found_for_a_wish_that_is_no_more_is_not_told(wired: Any) -> None:
    wire, above, _ = wired
    wire.register(READABLE | WRITABLE)
    wire.want(WRITABLE)
    wire.ready(READABLE)
    assert above.told == []
    wire.ready(READABLE | WRITABLE)
    assert above.told == [WRITABLE]


def test_a_wire_counts_what_the_socket_takes(wired: Any) -> None:
    wire, _, theirs = wired
    assert wire.send(b"abc") == 3
    assert wire.sendmsg([b"d", b"ef"]) == 3
    assert wire.sent == 6
    assert theirs.recv(10) == b"abcdef"


def test_a_socket_that_is_here_already_is_refused(raw_server: RawServer, wired: Any) -> None:
    wire, _, _ = wired
    wire.register(READABLE)
    with pytest.raises(FileExistsError):
        Wire(raw_server, wire.sock, Above()).register(READABLE)


def test_one_that_is_not_polled_is_forgotten_and_closed(raw_server: RawServer) -> None:
    ours, theirs = socket.socketpair()
    Wire(raw_server, ours, Above()).forget()
    assert ours.fileno() >= 0  # not within the turn
    raw_server.listen_once(0.0)
    assert ours.fileno() == -1
    theirs.close()


def test_what_is_given_back_is_polled_by_its_owner_again(raw_server: RawServer) -> None:
    connection, other = join(raw_server, Recorder(), Recorder())
    wire = connection.wire()
    assert connection.top() is None
    assert wire.give_back(connection) == READABLE
    other.write(b"hello")
    run_until(raw_server, lambda: connection.handler.data == b"hello")
    assert wire.descriptor == -1
    wire.want(READABLE | WRITABLE)  # it has no say any more
    raw_server.listen_once(0.0)
