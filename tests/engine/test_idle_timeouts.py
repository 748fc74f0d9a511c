import math

from rawserver.engine.idle_timeouts import IdleTimeouts


class Connection:
    def __init__(self, progress_at: float, idle_timeout: float | None) -> None:
        self.progress_at = progress_at
        self.idle_timeout = idle_timeout

    def idle(self) -> None: ...


def test_an_idle_connection_is_taken_out_once_and_not_too_early() -> None:
    timeouts = IdleTimeouts()
    one = Connection(10.0, 5.0)
    timeouts.add(one)
    assert timeouts.take_idle(14.9) == []
    assert timeouts.take_idle(16.0) == [one]
    assert timeouts.take_idle(99.0) == []
    assert len(timeouts) == 0


def test_progress_puts_the_end_off() -> None:
    timeouts = IdleTimeouts()
    one = Connection(10.0, 5.0)
    timeouts.add(one)
    one.progress_at = 14.5
    assert timeouts.take_idle(16.0) == []
    assert timeouts.take_idle(19.0) == []
    assert timeouts.take_idle(20.0) == [one]


def test_one_without_a_time_out_is_never_idle() -> None:
    timeouts = IdleTimeouts()
    timeouts.add(Connection(0.0, None))
    timeouts.add(Connection(0.0, math.inf))
    assert len(timeouts) == 0
    assert timeouts.take_idle(1e9) == []


def test_a_connection_that_ended_is_watched_no_longer() -> None:
    timeouts = IdleTimeouts()
    one, other = Connection(0.0, 5.0), Connection(0.0, 5.0)
    timeouts.add(one)
    timeouts.add(other)
    timeouts.remove(one)
    timeouts.remove(one)
    assert timeouts.take_idle(9.0) == [other]


def test_a_look_costs_nothing_for_those_whose_second_has_not_come() -> None:
    looks = 0

    class Counting(Connection):
        @property
        def idle_timeout(self) -> float | None:  # type: ignore[override]
            nonlocal looks
            looks += 1
            return 1000.0

        @idle_timeout.setter
        def idle_timeout(self, value: float | None) -> None: ...

    timeouts = IdleTimeouts()
    for _ in range(100):
        timeouts.add(Counting(0.0, 1000.0))
    looks = 0
    for second in range(900):
        timeouts.take_idle(float(second))
    assert looks == 0
