import pytest

from kit.clock import MovableClock
from rawserver import OsNetwork, RawServer
from rawserver.engine.task import Task
from rawserver.engine.turn_times import (
    MEASURED_TURNS,
    PERIOD_SECONDS,
    SLOW_TURN_SECONDS,
    TurnTimes,
    name_of,
)


def turn(times: TurnTimes, begin: float, end: float) -> None:
    times.began_at = begin
    times.end(end)


def test_turns_and_their_time_are_counted_and_waiting_is_not() -> None:
    times = TurnTimes()
    turn(times, 100.0, 100.5)
    turn(times, 200.0, 202.0)
    turn(times, 300.0, 301.0)
    assert times.turns == 3
    assert times.busy == pytest.approx(3.5)
    assert times.longest_turn == pytest.approx(2.0)


def test_between_turns_nothing_runs() -> None:
    times = TurnTimes()
    times.began_at = 5.0
    times.running = object()
    times.end(6.0)
    assert times.running is None
    assert times.began_at is None


def test_the_share_is_that_of_the_last_period_and_not_of_all_time() -> None:
    times = TurnTimes()
    now = 1000.0
    turn(times, now, now)
    for _ in range(100):  # half of the time
        turn(times, now, now + 0.5)
        now += 1.0
    assert times.share(now) == pytest.approx(0.5, abs=0.05)
    for _ in range(100):
        turn(times, now, now + 0.1)
        now += 1.0
    assert times.share(now) == pytest.approx(0.1, abs=0.03)


def test_a_long_rest_after_much_work_shows_at_once() -> None:
    times = TurnTimes()
    turn(times, 1000.0, 1000.0)
    for second in range(12):
        turn(times, 1000.0 + second, 1001.0 + second)
    assert times.share(1012.0) == pytest.approx(1.0, abs=0.1)
    assert times.share(1012.0 + 100 * PERIOD_SECONDS) < 0.02


def test_in_a_turn_that_is_long_its_time_so_far_counts() -> None:
    times = TurnTimes()
    turn(times, 1000.0, 1000.0)
    times.began_at = 1000.0
    assert times.share(1000.0 + 2 * PERIOD_SECONDS) == pytest.approx(1.0)


def test_the_first_share_is_one_of_no_time() -> None:
    assert TurnTimes().share(0.0) == 0.0


def test_names_tell_whom_the_loop_calls(raw_server: RawServer) -> None:
    class Handler:
        pass

    class Pollable:
        pass

    class Connection:
        handler = Handler()

        def __repr__(self) -> str:
            return "<it>"

    task = Task(None, 0.0, raw_server.listen_once, (), None)
    assert name_of(task) == "Loop.listen_once"
    assert name_of(Pollable()).endswith("Pollable")
    assert name_of(Connection()).endswith("Handler of <it>")


def test_once_a_turn_was_slow_the_longest_call_of_the_next_ones_is_found() -> None:
    clock = MovableClock(OsNetwork())
    raw_server = RawServer(network=clock)

    def pass_seconds(seconds: float) -> None:
        clock.ahead += seconds

    def slow() -> None:
        pass_seconds(30.0)

    for turn in range(2):
        for func, args in (pass_seconds, (5.0,)), (slow, ()), (pass_seconds, (20.0,)):
            raw_server.add_task(func, 0.0, args)
        raw_server.listen_once(0.0)
        assert raw_server.times.longest_turn == pytest.approx(55.0, abs=1.0)
        assert raw_server.times.turns == turn + 1
    assert raw_server.times.longest == pytest.approx(30.0, abs=1.0)
    assert raw_server.times.longest_call.endswith("<locals>.slow")
    raw_server.close()


def test_after_so_many_quick_turns_calls_are_measured_no_more() -> None:
    times = TurnTimes()
    turn(times, 0.0, 1.0)
    for _ in range(MEASURED_TURNS):
        assert times.measured_turns
        turn(times, 2.0, 2.0 + SLOW_TURN_SECONDS / 2)
    assert not times.measured_turns
