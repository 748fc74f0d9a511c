"""Finds which of the faults of a run its failure needs (delta debugging)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rawserver.simulation.outcome import Outcome
from rawserver.simulation.runner import run_seed
from rawserver.simulation.scenario import Scenario

# A run may take a second or more: what is left after so many is small enough to be read.
MOST_RUNS = 200


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A failure with as few faults as it needs, and how many runs it took to find them."""

    outcome: Outcome
    runs: int


class _Enough(Exception):
    """So many runs were made."""


def shrink(
    scenario: Scenario,
    seed: int,
    *,
    hosts: int | None = None,
    failure: Outcome | None = None,
    most_runs: int = MOST_RUNS,
) -> Shrunk:
    """Return the failure of a seed with a list of faults of which none can be left out.

    A failure counts if it is like the first one, which is found by a run or is `failure`. Without
    a failure, or when that needs every fault, the first run itself is returned.
    """
    first = failure if failure is not None else run_seed(scenario, seed, hosts=hosts)
    best, runs = first, 0

    def fails(numbers: Sequence[int]) -> bool:
        nonlocal best, runs
        if runs >= most_runs:
            raise _Enough
        runs += 1
        outcome = run_seed(scenario, seed, hosts=hosts, kept=numbers)
        if outcome.is_like(first):
            best = outcome
            return True
        return False

    numbers = [number for number, _ in first.happened()]
    if first.passed or not numbers:
        return Shrunk(first, runs)
    try:
        if not fails(()):
            smallest(numbers, fails)
    except _Enough:
        pass
    return Shrunk(best, runs)


def smallest(numbers: Sequence[int], fails: Callable[[Sequence[int]], bool]) -> list[int]:
    """Return a part of the numbers that still fails, and does not if any one more is left out.

    All of them fail, none of them do not. This is ddmin (Zeller and Hildebrandt, "Simplifying and
    Isolating Failure-Inducing Input", 2002), by complements: chunks are left out, ever smaller
    ones.
    """
    left = list(numbers)
    size = len(left) // 2
    while size and len(left) > 1:
        start = 0
        left_out = False
        while start < len(left):
            rest = left[:start] + left[start + size :]
            if rest and fails(rest):
                left = rest
                left_out = True
            else:
                start += size
        # Of single ones, what one could not do without may have become needless.
        if size > 1:
            size //= 2
        elif not left_out:
            break
    return left
