"""One thing that goes wrong for a while, as chaos plans it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rawserver.simulation.chaos import Chaos


class Fault(NamedTuple):
    """What goes wrong `at` seconds after the beginning, for so many `seconds`.

    `arguments` are of its kind, and such as JSON has; hosts are in it by their names.
    """

    at: float
    seconds: float
    kind: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        details = ", ".join(f"{name} {value}" for name, value in self.arguments.items())
        return f"{self.at:.3f} {self.kind} for {self.seconds:.3f} s: {details}"


class FaultKind(NamedTuple):
    """A way to go wrong.

    `draw` decides by chance about the arguments, for hosts of these names; None if there are too
    few of them. `begin` lets it go wrong, with chance of its own, and returns what ends it.
    """

    draw: Callable[[Random, Sequence[str]], dict[str, Any] | None]
    begin: Callable[[Chaos, Fault, Random], Callable[[], object]]


def to_json(faults: Sequence[Fault]) -> str:
    """Return faults as a text."""
    return json.dumps([fault._asdict() for fault in faults], indent=1)


def from_json(text: str) -> list[Fault]:
    """Return the faults of a text; ValueError, TypeError or KeyError if it is none of ours."""
    return [
        Fault(float(each["at"]), float(each["seconds"]), each["kind"], dict(each["arguments"]))
        for each in json.loads(text)
    ]
