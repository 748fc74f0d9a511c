"""What a tracker has answered since it began, counted where it happens."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import FunctionType


@dataclass(slots=True)
class FrontCounters:
    """One front end's. Plain numbers that only grow: to count costs an announce nothing.

    `announces`: answered with peers. `refused`: answered with a failure reason by a gate or the
    registry. `malformed`: no announce or scrape that could be read. `scrapes` of named torrents,
    `full_scrapes` of all. `connects`: UDP's connection ids given out. `dropped`: UDP's datagrams
    that were not answered at all.
    """

    announces: int = 0
    refused: int = 0
    malformed: int = 0
    scrapes: int = 0
    full_scrapes: int = 0
    connects: int = 0
    dropped: int = 0


@dataclass(slots=True)
class Counters:
    """The counters of each front end of one tracker.

    `refused_by` has what was refused by the name of what refused it: a gate's or the registry's
    class, or a function.
    """

    http: FrontCounters = field(default_factory=FrontCounters)
    udp: FrontCounters = field(default_factory=FrontCounters)
    refused_by: dict[str, int] = field(default_factory=dict)

    def note_refusal(self, gate: object) -> None:
        """Count a refusal of a gate, or of whatever else refuses."""
        name = gate.__name__ if isinstance(gate, FunctionType) else type(gate).__name__
        self.refused_by[name] = self.refused_by.get(name, 0) + 1
