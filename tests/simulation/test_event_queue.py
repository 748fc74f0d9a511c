"""The order of events."""

from heapq import heappop
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from rawserver.simulation.event_queue import STRETCHES_PER_SECOND, Entry, EventQueue


def entry(at: float, tie: float = 0.5, number: int = 0) -> Entry:
    return (at, tie, number, print, ())


def drained(queue: EventQueue) -> list[Entry]:
    entries = []
    while queue.refill():
        entries.append(heappop(queue.present))
    return entries


TIMES = st.one_of(
    st.floats(0, 5), st.sampled_from([1.0, 1.0 + 0.5 / STRETCHES_PER_SECOND, 1e300, inf])
)


@given(st.lists(st.tuples(TIMES, st.sampled_from([0.1, 0.9]))))
def test_entries_come_in_order(what: list[tuple[float, float]]) -> None:
    queue = EventQueue()
    entries = [entry(at, tie, number) for number, (at, tie) in enumerate(what)]
    for each in entries:
        queue.push(each)
    assert len(queue) == len(entries)
    assert drained(queue) == sorted(entries)
    assert not queue


@given(st.lists(st.lists(st.floats(0, 0.01), max_size=4), max_size=30))
def test_entries_that_are_added_on_the_way_come_in_their_time(steps: list[list[float]]) -> None:
    queue = EventQueue()
    queue.push(entry(1000.0))
    number = 0
    seen = []
    for delays in [*steps, []]:
        if not queue.refill():
            break
        now = heappop(queue.present)[0]
        seen.append(now)
        for delay in delays:
            number += 1
            queue.push(entry(now + delay, 0.5, number))
    seen += [each[0] for each in drained(queue)]
    assert seen == sorted(seen)
    assert not len(queue)


def test_an_empty_queue_has_nothing() -> None:
    assert not EventQueue().refill()
