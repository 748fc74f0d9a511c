import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.rate import WINDOW_SECONDS, RateMeter, RateWindow


class Measured(RateMeter):
    """A meter with a window of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.window = RateWindow()

    def measure(self, now: float) -> None:
        self.window.tick(now)
        self.tick(self.window)


def run(meter: Measured, start: float, seconds: int, amount: int) -> float:
    """Add `amount` each second and tick; return when that ended."""
    for second in range(seconds):
        meter.add(amount)
        meter.measure(start + second + 1)
    return start + seconds


def test_nothing_flows_at_first() -> None:
    meter = Measured()
    meter.measure(1000.0)
    assert (meter.rate, meter.total) == (0.0, 0)


@pytest.mark.parametrize("seconds", [1, 2, 10, 100])
def test_a_steady_flow_is_measured_from_the_first_second_on(seconds: int) -> None:
    meter = Measured()
    run(meter, 1000.0, seconds, 500)
    assert meter.rate == pytest.approx(500)
    assert meter.total == 500 * seconds


def test_a_flow_that_ends_is_forgotten_after_the_window() -> None:
    meter = Measured()
    now = run(meter, 0.0, 60, 1000)
    now = run(meter, now, 5, 0)
    assert meter.rate == pytest.approx(500)
    run(meter, now, 5, 0)
    assert meter.rate == 0
    assert meter.total == 60_000


def test_a_flow_that_doubles_is_followed_within_the_window() -> None:
    meter = Measured()
    now = run(meter, 0.0, 60, 1000)
    run(meter, now, 10, 2000)
    assert meter.rate == pytest.approx(2000)


def test_bytes_count_before_the_tick_but_not_in_the_rate() -> None:
    meter = Measured()
    meter.measure(0.0)
    meter.add(7)
    assert (meter.total, meter.rate) == (7, 0.0)


def test_many_ticks_remember_little_and_measure_the_same() -> None:
    meter = Measured()
    for step in range(10_000):
        meter.add(10)
        meter.measure(step / 100)
    assert meter.rate == pytest.approx(1000, rel=0.02)
    assert len(meter._marks) <= 22
    assert len(meter.window._marks) <= 22


def test_a_pause_between_ticks_is_part_of_the_time() -> None:
    meter = Measured()
    meter.measure(0.0)
    meter.add(6000)
    meter.measure(60.0)
    assert meter.rate == pytest.approx(100)


def test_a_clock_that_stands_still_changes_nothing() -> None:
    meter = Measured()
    run(meter, 0.0, 3, 100)
    rate = meter.rate
    meter.measure(3.0)
    assert meter.rate == rate


def test_one_on_which_nothing_moves_is_at_rest_after_the_window() -> None:
    meter = Measured()
    assert not meter.rests  # its first tick has to come
    meter.measure(0.0)
    assert meter.rests
    now = run(meter, 0.0, 1, 1000)
    now = run(meter, now, 9, 0)
    assert not meter.rests
    run(meter, now, 1, 0)
    assert (meter.rests, meter.rate) == (True, 0.0)


def plain_rate(ticks: list[tuple[float, int]]) -> float:
    """Return the rate as of the last of some ticks, of which each is (when, total)."""
    now, total = ticks[-1]
    marks = [(ticks[0][0] - 1.0, 0), *ticks]
    before = [mark for mark in marks[1:] if mark[0] <= now - WINDOW_SECONDS]
    start, total_before = before[-1] if before else marks[0]
    return (total - total_before) / (now - start)


@given(
    st.lists(st.tuples(st.floats(0.5, 4.0), st.sampled_from([0, 0, 0, 1, 500])), min_size=1),
    st.integers(0, 20),
)
def test_who_is_left_out_while_at_rest_measures_what_it_would_have_measured(
    steps: list[tuple[float, int]], joins_after: int
) -> None:
    window, meter, now = RateWindow(), RateMeter(), 0.0
    ticks: list[tuple[float, int]] = []
    for number, (seconds, amount) in enumerate(steps):
        now += seconds
        window.tick(now)
        if number < joins_after:
            continue
        meter.add(amount)
        ticks.append((now, meter.total))
        if not meter.rests:
            meter.tick(window)
        assert meter.rate == plain_rate(ticks)
