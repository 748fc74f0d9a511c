from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.fake_world import datagram
from rawserver.simulation.latency import Constant, Uniform
from rawserver.simulation.link import Access, Direction, Line, Link
from rawserver.simulation.loss import RandomLoss
from rawserver.simulation.packet import DATA, SEGMENT, Packet


def at_work(link: Link) -> Direction:
    return Direction(link, lambda: Random(1))


def test_without_a_bandwidth_nothing_waits() -> None:
    direction = at_work(Link())
    assert [direction.leaves_at(5.0, 1500) for _ in range(3)] == [5.0, 5.0, 5.0]
    assert direction.queued_bytes(5.0) == 0


def test_a_queue_is_served_at_the_bandwidth_and_drains_while_idle() -> None:
    direction = at_work(Link(bandwidth=100))
    assert [direction.leaves_at(5.0, 50) for _ in range(3)] == [5.5, 6.0, 6.5]
    assert direction.queued_bytes(5.0) == 150
    assert direction.queued_bytes(6.25) == 25
    assert direction.queued_bytes(9.0) == 0
    assert direction.leaves_at(9.0, 100) == 10.0
    assert direction.bytes_carried == 250


def test_what_finds_the_queue_full_is_dropped() -> None:
    direction = at_work(Link(bandwidth=100, queue_bytes=100))
    assert direction.leaves_at(0.0, 60) == 0.6
    assert direction.leaves_at(0.0, 60) == -1.0
    assert direction.leaves_at(0.0, 40) == 1.0
    assert direction.leaves_at(0.5, 60) == -1.0
    assert direction.leaves_at(0.6, 60) == 1.6
    assert (direction.packets_dropped, direction.bytes_carried) == (2, 160)


def test_an_idle_queue_takes_a_packet_of_any_size() -> None:
    assert at_work(Link(bandwidth=100, queue_bytes=10)).leaves_at(0.0, 1500) == 15.0


def test_a_burst_is_lost_with_any_of_its_segments() -> None:
    direction = at_work(Link(loss=RandomLoss(0.1)))
    ends = ("10.0.0.1", 1), ("10.0.0.2", 2)
    single = sum(direction.loses(Packet(DATA, *ends, b"x"), 0.0) for _ in range(2000))
    burst = sum(direction.loses(Packet(DATA, *ends, bytes(10 * SEGMENT)), 0.0) for _ in range(2000))
    large = sum(direction.loses(datagram(*ends, bytes(60_000)), 0.0) for _ in range(200))
    assert single == pytest.approx(200, abs=50)
    # 1 - 0.9 ** 10 and 1 - 0.9 ** 41
    assert burst == pytest.approx(1303, abs=80)
    assert large > 190
    assert direction.packets_lost == single + burst + large


def test_only_who_needs_chance_has_a_source_of_it() -> None:
    assert at_work(Link(Constant(1), 100, 100)).random is None
    assert at_work(Link(Constant(1), 100, 100)).sample() == 0.0
    for link in (Link(Uniform(1, 2)), Link(loss=RandomLoss(0.1)), Link(reorder=0.1)):
        assert at_work(link).random is not None


def test_some_stray_and_some_are_repeated() -> None:
    direction = at_work(Link(reorder=0.3, duplicate=0.1, reorder_delay=Constant(0.5)))
    strays = [direction.strays() for _ in range(1000)]
    repeats = [direction.repeats() for _ in range(1000)]
    assert set(strays) == set(repeats) == {0.0, 0.5}
    assert sum(strays) / 0.5 == pytest.approx(300, abs=60)
    assert sum(repeats) / 0.5 == pytest.approx(100, abs=40)


def test_each_side_of_a_line_has_a_chance_of_its_own() -> None:
    jitter = Link(Uniform(0, 1))
    line = Line(Access(jitter, jitter), Random)
    assert line.up.sample() == Uniform(0, 1).sample(Random("up"))
    assert line.down.sample() == Uniform(0, 1).sample(Random("down"))


def test_a_link_that_changes_keeps_its_queue_and_its_counts() -> None:
    direction = at_work(Link(bandwidth=100))
    direction.leaves_at(0.0, 100)
    direction.change(Link(bandwidth=50, loss=RandomLoss(1)), 0.5)
    assert direction.queued_bytes(0.5) == 50
    assert direction.leaves_at(0.5, 50) == 2.5
    assert direction.bytes_carried == 150
    assert direction.loses(datagram(("10.0.0.1", 1), ("10.0.0.2", 2)), 2.5)
    direction.change(Link(), 1.0)
    assert direction.leaves_at(1.0, 50) == 1.0


@given(
    st.integers(100, 10**6),
    st.integers(0, 10**5),
    st.lists(st.tuples(st.floats(0, 2), st.integers(20, 65535)), min_size=1, max_size=50),
)
def test_a_queue_keeps_order_its_bandwidth_and_its_size(
    bandwidth: int, queue_bytes: int, packets: list[tuple[float, int]]
) -> None:
    direction = at_work(Link(bandwidth=bandwidth, queue_bytes=queue_bytes))
    now = last = 0.0
    busy = 0.0
    for pause, size in packets:
        now += pause
        queued = direction.queued_bytes(now)
        at = direction.leaves_at(now, size)
        if at < 0:
            assert queued + size > queue_bytes - 1
            continue
        assert at >= now + size / bandwidth * 0.999
        assert at >= last
        assert queued == 0 or queued + size <= queue_bytes + 1
        busy += size / bandwidth
        last = at
    assert last >= busy * 0.999


def test_what_no_link_can_be_is_an_error() -> None:
    with pytest.raises(ValueError, match="bandwidth"):
        Link(bandwidth=0)
    with pytest.raises(ValueError, match="probabilities"):
        Link(duplicate=2)
