from __future__ import annotations

from math import inf
from typing import Any

from rawserver.simulation import World
from rawserver.simulation.packet import DATA, FIN, PROBE, SEGMENT, SYN
from rawserver.simulation.send_side import FIRST_WINDOW, SendSide


class Recording:
    """Stands in for a connection: notes what is sent."""

    def __init__(self, burst: int = 12 * SEGMENT) -> None:
        self.world = World()
        self.tie = 0.5
        self.sent: list[tuple[int, int, int]] = []
        self.payload = bytearray()
        self.has_timed_out = False
        self.burst = burst

    def emit(self, kind: int, sequence: int, payload: Any) -> None:
        self.sent.append((kind, sequence, len(payload)))
        self.payload[max(0, sequence - 1) : sequence - 1 + len(payload)] = payload

    def burst_bytes(self) -> int:
        return self.burst

    def sent_some(self) -> None:
        pass

    def timed_out(self) -> None:
        self.has_timed_out = True

    def take(self) -> list[tuple[int, int, int]]:
        sent, self.sent = self.sent, []
        return sent


def begun(
    capacity: int = 200_000, window: int = 1 << 20, burst: int = 12 * SEGMENT
) -> tuple[Recording, SendSide]:
    connection = Recording(burst)
    side = SendSide(connection, capacity, SEGMENT)  # type: ignore[arg-type]
    side.begin(SYN)
    side.no_delay = True
    side.take_acknowledgement(1, window)
    assert connection.take() == [(SYN, 0, 0)]
    return connection, side


def test_a_little_goes_at_once() -> None:
    connection, side = begun()
    assert side.write(b"hello", False) == 5
    assert connection.take() == [(DATA, 1, 5)]
    assert side.size == 5
    side.take_acknowledgement(6, 1000)
    assert side.size == 0
    assert side.deadline == inf


def test_much_goes_as_far_as_the_congestion_window_and_the_buffer() -> None:
    connection, side = begun(capacity=50_000)
    data = bytes(range(256)) * 400
    assert side.write(data, False) == 50_000
    assert side.write(data, False) == 0
    assert sum(size for _, _, size in connection.sent) == FIRST_WINDOW
    assert not side.is_writable
    acknowledged = 1
    while acknowledged < 50_001:
        acknowledged = 1 + len(connection.payload)
        side.take_acknowledgement(acknowledged, 1 << 20)
    assert connection.payload == data[:50_000]
    assert side.window > FIRST_WINDOW
    assert side.is_writable


def test_a_burst_is_as_large_as_the_way_lets_it() -> None:
    connection, side = begun(burst=SEGMENT)
    side.write(bytes(4 * SEGMENT + 5), False)
    assert [size for _, _, size in connection.take()] == [SEGMENT] * 4 + [5]


def test_what_the_peer_takes_bounds_it_and_it_is_asked_when_it_takes_nothing() -> None:
    connection, side = begun(window=3000)
    side.write(bytes(10_000), False)
    assert connection.take() == [(DATA, 1, 2 * SEGMENT)]
    side.take_acknowledgement(1 + 2 * SEGMENT, 3000 - 2 * SEGMENT)
    assert connection.take() == [(DATA, 1 + 2 * SEGMENT, 3000 - 2 * SEGMENT)]
    side.take_acknowledgement(3001, 0)
    assert connection.take() == []
    connection.world.run(seconds=20.0)
    probes = connection.take()
    assert 2 <= len(probes) <= 8
    assert set(probes) == {(PROBE, 3000, 0)}
    side.take_acknowledgement(3001, 5000)
    assert connection.take() == [(DATA, 3001, 3 * SEGMENT)]


def test_a_peer_that_does_not_answer_probes_is_given_up() -> None:
    connection, side = begun(window=1)
    side.write(b"ab", False)
    side.take_acknowledgement(2, 0)
    connection.world.run(seconds=3000.0)
    assert connection.has_timed_out


def test_small_ones_wait_for_what_is_under_way_unless_they_shall_not() -> None:
    connection, side = begun()
    side.no_delay = False
    side.write(b"a", False)
    side.write(b"b", False)
    side.write(b"c", False)
    assert connection.take() == [(DATA, 1, 1)]
    side.take_acknowledgement(2, 1000)
    assert connection.take() == [(DATA, 2, 2)]
    side.no_delay = True
    side.write(b"d", False)
    assert connection.take() == [(DATA, 4, 1)]


def test_more_to_come_holds_a_part_of_a_segment_back_for_a_while() -> None:
    connection, side = begun()
    side.write(b"header", True)
    assert connection.take() == []
    side.write(b"body", False)
    assert connection.take() == [(DATA, 1, 10)]
    side.take_acknowledgement(11, 1000)
    side.write(b"header", True)
    connection.world.run(seconds=0.3)
    assert connection.take() == [(DATA, 11, 6)]


def test_the_end_comes_after_all_that_was_written() -> None:
    connection, side = begun(window=5)
    side.write(b"1234567", False)
    side.finish()
    assert connection.take() == [(DATA, 1, 5)]
    side.take_acknowledgement(6, 100)
    assert connection.take() == [(DATA, 6, 2), (FIN, 8, 0)]
    side.take_acknowledgement(9, 100)
    assert side.size == 0


def test_what_is_not_acknowledged_is_sent_again_and_again_and_given_up() -> None:
    connection, side = begun()
    side.write(b"hello", False)
    connection.take()
    connection.world.run(seconds=1.0)
    again = connection.take()
    assert set(again) == {(DATA, 1, 5)}
    connection.world.run(seconds=2000.0)
    assert connection.has_timed_out
    assert 10 <= len(connection.take()) <= 16


def part(first: int, last: int) -> tuple[int, int]:
    """The segments from one to another, as what has come beyond a hole."""
    return 1 + first * SEGMENT, 1 + last * SEGMENT


def test_what_three_have_overtaken_is_sent_again_and_the_window_halved() -> None:
    connection, side = begun(burst=SEGMENT)
    side.write(bytes(10 * SEGMENT), False)
    connection.take()
    for last in (2, 3):
        side.take_acknowledgement(1, 1 << 20, (part(1, last),))
        assert connection.take() == []
    side.take_acknowledgement(1, 1 << 20, (part(1, 4),))
    assert connection.take() == [(DATA, 1, SEGMENT)]
    assert side.window == 5 * SEGMENT
    side.take_acknowledgement(1, 1 << 20, (part(1, 4), part(6, 7)))
    assert connection.take() == []
    # Another hole is filled as soon as three are beyond it.
    side.take_acknowledgement(1 + 4 * SEGMENT, 1 << 20, (part(6, 9),))
    assert connection.take() == [
        (DATA, 1 + 4 * SEGMENT, SEGMENT),
        (DATA, 1 + 5 * SEGMENT, SEGMENT),
    ]
    side.take_acknowledgement(1 + 10 * SEGMENT, 1 << 20)
    assert side.size == 0
    assert side.window == 5 * SEGMENT


def test_what_came_twice_is_not_taken_for_a_loss() -> None:
    connection, side = begun(burst=SEGMENT)
    side.write(bytes(10 * SEGMENT), False)
    connection.take()
    for _ in range(10):
        side.take_acknowledgement(1, 1 << 20)
    assert connection.take() == []
    assert side.window == FIRST_WINDOW


def test_what_is_there_already_is_not_sent_again_after_an_outage() -> None:
    connection, side = begun(burst=SEGMENT)
    side.write(bytes(4 * SEGMENT), False)
    connection.take()
    side.take_acknowledgement(1, 1 << 20, (part(2, 3),))
    connection.world.run(seconds=1.1)
    assert set(connection.take()) == {(DATA, 1, SEGMENT)}
    side.take_acknowledgement(1 + SEGMENT, 1 << 20, (part(2, 3),))
    sent = connection.take()
    assert [sequence for _, sequence, _ in sent] == [1 + SEGMENT, 1 + 3 * SEGMENT]


def test_what_is_beyond_a_hole_makes_room_in_the_window() -> None:
    connection, side = begun(burst=SEGMENT)
    side.write(bytes(12 * SEGMENT), False)
    assert len(connection.take()) == 10
    side.take_acknowledgement(1, 1 << 20, (part(1, 2),))
    assert connection.take() == [(DATA, 1 + 10 * SEGMENT, SEGMENT)]


def test_after_an_outage_all_is_sent_again_as_the_window_grows() -> None:
    connection, side = begun(burst=SEGMENT)
    side.write(bytes(10 * SEGMENT), False)
    connection.take()
    connection.world.run(seconds=1.1)
    assert set(connection.take()) == {(DATA, 1, SEGMENT)}
    side.take_acknowledgement(1 + SEGMENT, 1 << 20)
    sent = connection.take()
    assert [sequence for _, sequence, _ in sent] == [1 + SEGMENT, 1 + 2 * SEGMENT]
    side.take_acknowledgement(1 + 3 * SEGMENT, 1 << 20)
    assert len(connection.take()) >= 2


def test_nonsense_is_passed_over() -> None:
    connection, side = begun()
    side.write(b"hello", False)
    connection.take()
    side.take_acknowledgement(100, 1000)
    assert side.size == 5
    side.drop()
    connection.world.run(seconds=100.0)
    assert connection.take() == []
