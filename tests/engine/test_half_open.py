import time
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.fake_loop import FakeLoop
from rawserver.engine.half_open import BEGUN_PER_TURN, HalfOpenLimit


class Attempt:
    """Notes itself in `begun` when its turn comes."""

    def __init__(self, begun: list["Attempt"], context: object = None) -> None:
        self.begun = begun
        self.context = context

    def begin(self) -> None:
        self.begun.append(self)


def test_as_many_as_may_begin_in_the_next_turn_and_the_others_wait() -> None:
    loop, begun = FakeLoop(), []
    limit = HalfOpenLimit(2, loop.add_task)
    attempts = [Attempt(begun) for _ in range(4)]
    for attempt in attempts:
        limit.add(attempt)
    assert not begun
    assert (limit.half_open, limit.waiting) == (0, 4)
    loop.turn()
    assert begun == attempts[:2]
    assert (limit.half_open, limit.waiting) == (2, 2)
    limit.remove(attempts[1])
    assert (limit.half_open, limit.waiting) == (1, 2)
    loop.turn()
    assert begun == attempts[:3]
    assert not loop.waiting


def test_one_that_waits_no_more_leaves_its_place_to_the_next() -> None:
    loop, begun = FakeLoop(), []
    limit = HalfOpenLimit(1, loop.add_task)
    first, second, third = (Attempt(begun) for _ in range(3))
    for attempt in (first, second, third):
        limit.add(attempt, "a")
    loop.turn()
    limit.remove(second)
    limit.remove(second)
    limit.remove(first)
    limit.remove(first)
    loop.turn()
    assert begun == [first, third]
    assert (limit.half_open, limit.waiting) == (1, 0)


def test_contexts_take_turns() -> None:
    loop, begun = FakeLoop(), []
    limit = HalfOpenLimit(1, loop.add_task)
    for context, count in (("greedy", 5), ("b", 2), ("c", 1)):
        for _ in range(count):
            limit.add(Attempt(begun, context), context)
    while limit.half_open or limit.waiting:
        loop.turn()
        limit.remove(begun[-1])
    told = [attempt.context for attempt in begun]
    assert told == ["greedy", "b", "c", "greedy", "b", "greedy", "greedy", "greedy"]


def test_urgent_ones_go_first_and_keep_the_limit() -> None:
    loop, begun = FakeLoop(), []
    limit = HalfOpenLimit(1, loop.add_task)
    usual, urgent, urgent_too = (Attempt(begun) for _ in range(3))
    limit.add(usual)
    limit.add(urgent, urgent=True)
    limit.add(urgent_too, urgent=True)
    loop.turn()
    assert begun == [urgent]
    for _ in range(2):
        limit.remove(begun[-1])
        loop.turn()
    assert begun == [urgent, urgent_too, usual]


def test_without_a_limit_nobody_waits_but_for_the_turn_itself() -> None:
    loop, begun = FakeLoop(), []
    limit = HalfOpenLimit(None, loop.add_task)
    for _ in range(BEGUN_PER_TURN + 1):
        limit.add(Attempt(begun))
    loop.turn()
    assert len(begun) == BEGUN_PER_TURN
    loop.turn()
    assert len(begun) == BEGUN_PER_TURN + 1
    assert not loop.waiting


def test_one_that_is_over_within_its_beginning_makes_room_at_once() -> None:
    loop, begun = FakeLoop(), []
    limit = HalfOpenLimit(1, loop.add_task)

    class Refused(Attempt):
        def begin(self) -> None:
            super().begin()
            limit.remove(self)

    for _ in range(3):
        limit.add(Refused(begun))
    loop.turn()
    assert len(begun) == 3
    assert limit.half_open == 0


def test_a_fault_in_one_does_not_keep_the_others_waiting() -> None:
    loop, begun = FakeLoop(), []
    limit = HalfOpenLimit(None, loop.add_task)

    class Faulty(Attempt):
        def begin(self) -> None:
            raise ZeroDivisionError

    limit.add(Faulty(begun))
    other = Attempt(begun)
    limit.add(other)
    with pytest.raises(ZeroDivisionError):
        loop.turn()
    loop.turn()
    assert begun == [other]


def test_nobody_asks_twice() -> None:
    loop, begun = FakeLoop(), []
    limit = HalfOpenLimit(1, loop.add_task)
    attempt = Attempt(begun)
    limit.add(attempt)
    with pytest.raises(ValueError, match="already"):
        limit.add(attempt)
    loop.turn()
    with pytest.raises(ValueError, match="already"):
        limit.add(attempt, urgent=True)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_lets_nobody_through_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="none can ever"):
        HalfOpenLimit(limit, FakeLoop().add_task)


def test_a_turn_behind_many_that_gave_up_costs_what_one_behind_few_does() -> None:
    def seconds_per_attempt(count: int) -> float:
        loop, begun = FakeLoop(), []
        limit = HalfOpenLimit(1, loop.add_task)
        attempts = [Attempt(begun) for _ in range(count)]
        began = time.process_time()
        for attempt in attempts:
            limit.add(attempt)
        for attempt in attempts[: count // 2]:
            limit.remove(attempt)
        while limit.waiting:
            loop.turn()
            limit.remove(begun[-1])
        return (time.process_time() - began) / count

    few = min(seconds_per_attempt(250) for _ in range(3))
    many = min(seconds_per_attempt(8_000) for _ in range(2))
    assert many < few * 8  # were it a walk over those before, 32


@given(
    st.integers(1, 3),
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.sampled_from("abc")),
            st.tuples(st.just("cancel"), st.integers(0, 30)),
            st.tuples(st.just("finish"), st.integers(0, 30)),
            st.tuples(st.just("turn"), st.none()),
        ),
        max_size=80,
    ),
)
def test_whatever_happens_the_limit_holds_and_turns_are_fair(
    most: int, steps: list[tuple[str, object]]
) -> None:
    loop, begun = FakeLoop(), []
    limit = HalfOpenLimit(most, loop.add_task)
    waiting: list[Attempt] = []
    running: list[Attempt] = []
    # For each context, whom it saw begin since it has had something waiting without a break.
    passed_by: dict[object, Counter[object]] = {}

    def turn() -> None:
        before = len(begun)
        loop.turn()
        for attempt in islice(begun, before, None):
            # First come, first served within a context.
            mine = [one for one in waiting if one.context == attempt.context]
            assert attempt is mine[0]
            waiting.remove(attempt)
            running.append(attempt)
            passed_by.pop(attempt.context, None)
            for other in {one.context for one in waiting} - {attempt.context}:
                passed = passed_by.setdefault(other, Counter())
                passed[attempt.context] += 1
                # None other has two turns while one waits for its first.
                assert passed[attempt.context] <= 1

    for step, value in steps:
        if step == "add":
            waiting.append(Attempt(begun, value))
            limit.add(waiting[-1], value)
        elif step == "turn":
            turn()
        elif step == "cancel" and waiting:
            attempt = waiting.pop(value % len(waiting))
            limit.remove(attempt)
            if all(one.context != attempt.context for one in waiting):
                passed_by.pop(attempt.context, None)
        elif step == "finish" and running:
            limit.remove(running.pop(value % len(running)))
        assert limit.half_open == len(running) <= most
        assert limit.waiting == len(waiting)
    for _ in range(100):
        turn()
        assert len(running) == most or not waiting
        if running:
            limit.remove(running.pop())
    assert not running
    assert not waiting
    assert not loop.waiting
    assert not limit._waiting
    assert not limit._queue_of
