"""Faults that a failure does not need are left out."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawserver.simulation.outcome import Outcome
from rawserver.simulation.runner import run_seed
from rawserver.simulation.scenario import Scenario
from rawserver.simulation.shrink import shrink, smallest
from rawserver.simulation.world import World
from simulation.pairs import Caller, Echo, add_pair, fails_by_faults


def needing(needed: set[int], planned: int) -> Scenario:
    def scenario(world: World) -> None:
        add_pair(world, Echo(), Caller())
        fails_by_faults(world, needed, planned)

    return scenario


@pytest.mark.parametrize("needed", [{0}, {7}, {2, 5}, {0, 3, 7}, set(range(8))])
def test_what_is_needed_is_left(needed: set[int]) -> None:
    scenario = needing(needed, 8)
    shrunk = shrink(scenario, 3)
    assert shrunk.outcome.kept == (None if len(needed) == 8 else tuple(sorted(needed)))
    assert {number for number, _ in shrunk.outcome.happened()} == needed
    assert shrunk.outcome.seed == 3
    assert not run_seed(scenario, 3, kept=shrunk.outcome.kept).passed


def test_a_failure_that_needs_no_fault_has_none_after_one_run() -> None:
    shrunk = shrink(needing(set(), 5), 1)
    assert shrunk.outcome.kept == ()
    assert shrunk.runs == 1


def test_what_passes_is_left_as_it_is() -> None:
    shrunk = shrink(needing({99}, 5), 1)
    assert shrunk.outcome.passed
    assert shrunk.runs == 0


def test_another_failure_does_not_count() -> None:
    def scenario(world: World) -> None:
        add_pair(world, Echo(), Caller())
        fails_by_faults(world, {1}, 3)
        raise KeyError("another bug")

    assert shrink(scenario, 1).outcome.happened()[0][0] == 1


def test_runs_are_limited() -> None:
    shrunk = shrink(needing({0, 15}, 16), 1, most_runs=3)
    assert shrunk.runs == 3
    assert shrunk.outcome.error == "AssertionError: all came together"


def test_a_failure_that_is_known_is_not_run_again() -> None:
    seen: list[Sequence[int] | None] = []
    scenario = needing({1}, 3)

    def watched(world: World) -> None:
        seen.append(None if world.kept_faults is None else sorted(world.kept_faults))
        scenario(world)

    first: Outcome = run_seed(scenario, 1)
    shrink(watched, 1, failure=first)
    assert None not in seen


@settings(deadline=None)
@given(st.sets(st.integers(0, 20), min_size=1), st.integers(1, 21))
def test_none_can_be_left_out_of_the_smallest(needed: set[int], size: int) -> None:
    asked: list[tuple[int, ...]] = []

    def fails(numbers: Sequence[int]) -> bool:
        asked.append(tuple(numbers))
        return needed <= set(numbers) or len(set(numbers) & needed) * 2 > len(needed) + 3

    found = smallest(range(21), fails)
    assert fails(found)
    for number in found:
        rest = [one for one in found if one != number]
        assert not rest or not fails(rest)
    assert () not in asked
