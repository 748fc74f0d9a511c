"""Whether a scenario is the same when it is run again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from tempfile import TemporaryDirectory

from rawserver.simulation.runner import run_seed
from rawserver.simulation.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Divergence:
    """Two runs of a seed that were not alike: the number of the first entry of their traces that
    differs, and this entry in both ("" where a trace had ended)."""

    number: int
    one: str
    other: str

    def __str__(self) -> str:
        one, other = self.one or "the end", self.other or "the end"
        return f"entry {self.number} is {one} in one run and {other} in the other"


def check_determinism(
    scenario: Scenario, seed: int, *, hosts: int | None = None
) -> Divergence | None:
    """Run a scenario twice; returns how the runs differ, None if they do not.

    In one process sets of strings have one order: `rawserver simulate --twice` uses two.
    """
    with TemporaryDirectory() as folder:
        paths = f"{folder}/one", f"{folder}/other"
        one, other = (run_seed(scenario, seed, hosts=hosts, timeline=path) for path in paths)
        if one.trace_hash == other.trace_hash and one.error == other.error:
            return None
        return compare_timelines(*paths) or Divergence(-1, one.error, other.error)


def compare_timelines(one: str, other: str) -> Divergence | None:
    """Return how two timelines in files differ, None if they do not."""
    with open(one, encoding="utf-8") as first, open(other, encoding="utf-8") as second:
        return _compare(first, second)


def _compare(one: Iterable[str], other: Iterable[str]) -> Divergence | None:
    for number, (here, there) in enumerate(zip_longest(one, other, fillvalue="")):
        if here != there:
            return Divergence(number, _entry(here), _entry(there))
    return None


def _entry(line: str) -> str:
    if not line:
        return ""
    fields = json.loads(line)
    words = (f"{key}={value}" for key, value in fields.items() if key not in ("time", "event"))
    return " ".join([f"{fields['time']:.9f} {fields['event']}", *words])
