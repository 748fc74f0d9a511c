import pytest

from rawserver.swarm.rate import RateMeter


def run(meter: RateMeter, start: float, seconds: int, amount: int) -> float:
    """Add `amount` each second and tick; return when that ended."""
    for second in range(seconds):
        meter.add(amount)
        meter.tick(start + second + 1)
    return start + seconds


def test_nothing_flows_at_first() -> None:
    meter = RateMeter()
    meter.tick(1000.0)
    assert (meter.rate, meter.total) == (0.0, 0)


@pytest.mark.parametrize("seconds", [1, 2, 10, 100])
def test_a_steady_flow_is_measured_from_the_first_second_on(seconds: int) -> None:
    meter = RateMeter()
    run(meter, 1000.0, seconds, 500)
    assert meter.rate == pytest.approx(500)
    assert meter.total == 500 * seconds


def test_a_flow_that_ends_is_forgotten_after_the_window() -> None:
    meter = RateMeter()
    now = run(meter, 0.0, 60, 1000)
    now = run(meter, now, 5, 0)
    assert meter.rate == pytest.approx(500)
    run(meter, now, 5, 0)
    assert meter.rate == 0
    assert meter.total == 60_000


def test_a_flow_that_doubles_is_followed_within_the_window() -> None:
    meter = RateMeter()
    now = run(meter, 0.0, 60, 1000)
    run(meter, now, 10, 2000)
    assert meter.rate == pytest.approx(2000)


def test_bytes_count_before_the_tick_but_not_in_the_rate() -> None:
    meter = RateMeter()
    meter.tick(0.0)
    meter.add(7)
    assert (meter.total, meter.rate) == (7, 0.0)


def test_many_ticks_remember_little_and_measure_the_same() -> None:
    meter = RateMeter()
    for step in range(10_000):
        meter.add(10)
        meter.tick(step / 100)
    assert meter.rate == pytest.approx(1000, rel=0.02)
    assert len(meter._marks) <= 22


def test_a_pause_between_ticks_is_part_of_the_time() -> None:
    meter = RateMeter()
    meter.tick(0.0)
    meter.add(6000)
    meter.tick(60.0)
    assert meter.rate == pytest.approx(100)


def test_a_clock_that_stands_still_changes_nothing() -> None:
    meter = RateMeter()
    run(meter, 0.0, 3, 100)
    rate = meter.rate
    meter.tick(3.0)
    assert meter.rate == rate
