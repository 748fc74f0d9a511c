import math

from hypothesis import given
from hypothesis import strategies as st

from rawserver.engine.timeouts import Timeouts


class Patience:
    """A watch that is over when nothing happened for `seconds`."""

    def __init__(self, seconds: float, happened_at: float = 0.0) -> None:
        self.seconds = seconds
        self.happened_at = happened_at
        self.looked_at: list[float] = []
        self.over_at: float | None = None

    def look(self, now: float) -> float | None:
        self.looked_at.append(now)
        if self.happened_at + self.seconds > now:
            return self.happened_at + self.seconds
        self.over_at = now
        return None


def test_one_is_looked_at_once_its_second_has_come() -> None:
    timeouts = Timeouts()
    one = Patience(5.0, 10.0)
    timeouts.add(one, 15.0)
    timeouts.look(14.9)
    assert one.looked_at == []
    timeouts.look(16.0)
    timeouts.look(99.0)
    assert one.looked_at == [16.0]
    assert one.over_at == 16.0
    assert len(timeouts) == 0


def test_what_happens_puts_the_end_off() -> None:
    timeouts = Timeouts()
    one = Patience(5.0, 10.0)
    timeouts.add(one, 15.0)
    one.happened_at = 14.5
    timeouts.look(16.0)
    timeouts.look(19.0)
    assert one.over_at is None
    timeouts.look(20.0)
    assert one.over_at == 20.0


def test_one_without_a_time_is_never_looked_at() -> None:
    timeouts = Timeouts()
    timeouts.add(Patience(0.0), None)
    timeouts.add(Patience(0.0), math.inf)
    assert len(timeouts) == 0


def test_one_that_is_removed_is_looked_at_no_more() -> None:
    timeouts = Timeouts()
    one, other = Patience(5.0), Patience(5.0)
    timeouts.add(one, 5.0)
    timeouts.add(other, 5.0)
    assert one in timeouts
    timeouts.remove(one)
    timeouts.remove(one)
    assert one not in timeouts
    timeouts.look(9.0)
    assert (one.over_at, other.over_at) == (None, 9.0)


def test_one_that_is_added_again_is_looked_at_then_alone() -> None:
    timeouts = Timeouts()
    one = Patience(5.0)
    timeouts.add(one, 5.0)
    timeouts.add(one, 9.0)
    timeouts.look(6.0)
    assert one.looked_at == []
    timeouts.look(10.0)
    assert one.looked_at == [10.0]
    timeouts.add(one, 20.0)
    timeouts.add(one, None)
    assert one not in timeouts


def test_one_may_remove_another_while_it_is_looked_at() -> None:
    timeouts = Timeouts()
    other = Patience(5.0)

    class Remover(Patience):
        def look(self, now: float) -> float | None:
            timeouts.remove(other)
            return super().look(now)

    one = Remover(5.0)
    timeouts.add(one, 5.0)
    timeouts.add(other, 5.0)
    timeouts.look(9.0)
    assert (one.over_at, other.looked_at) == (9.0, [])


def test_one_that_wants_to_be_seen_again_at_once_does_not_hold_the_others_up() -> None:
    class Eager(Patience):
        def look(self, now: float) -> float | None:
            super().look(now)
            return now

    timeouts = Timeouts()
    eager = Eager(1.0)
    timeouts.add(eager, 1.0)
    timeouts.look(5.0)
    assert eager.looked_at == [5.0]
    timeouts.look(6.0)
    assert eager.looked_at == [5.0, 6.0]


def test_a_look_costs_nothing_for_those_whose_second_has_not_come() -> None:
    timeouts = Timeouts()
    patient = [Patience(1000.0) for _ in range(100)]
    for one in patient:
        timeouts.add(one, 1000.0)
    for second in range(1000):
        timeouts.look(float(second))
    assert not any(one.looked_at for one in patient)


@given(st.lists(st.tuples(st.floats(0.1, 50.0), st.lists(st.floats(0.0, 100.0), max_size=5))))
def test_nobody_is_over_too_early_nor_more_than_a_second_late(
    watches: list[tuple[float, list[float]]],
) -> None:
    timeouts = Timeouts()
    all_of_them = [(Patience(seconds), sorted(events)) for seconds, events in watches]
    for one, _ in all_of_them:
        timeouts.add(one, one.seconds)
    for second in range(160):
        for one, events in all_of_them:
            while one.over_at is None and events and events[0] <= second:
                one.happened_at = events.pop(0)
        timeouts.look(float(second))
    for one, _ in all_of_them:
        assert one.over_at is not None
        assert one.happened_at + one.seconds <= one.over_at <= one.happened_at + one.seconds + 2.0
