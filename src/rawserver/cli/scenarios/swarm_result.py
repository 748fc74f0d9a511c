"""What came of a simulated swarm: who was complete when, who gave what; as lines of text."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from rawserver.cli.quantity import format_size

_HEADINGS = ("peer", "complete after", "downloaded", "uploaded")


@dataclass(frozen=True, slots=True)
class PeerResult:
    """One who took part. `seconds` is when it was complete, None for never; sizes are in bytes."""

    name: str
    kind: str
    seconds: float | None
    began_complete: bool
    uploaded: int
    downloaded: int


@dataclass(frozen=True, slots=True)
class SwarmResult:
    """A swarm that has ended: its peers in the order in which they came, and facts to tell."""

    name: str
    size: int
    seconds: float
    peers: tuple[PeerResult, ...]
    facts: tuple[tuple[str, str], ...] = ()

    def with_facts(self, *facts: tuple[str, str]) -> SwarmResult:
        """Return the same with more to tell."""
        return replace(self, facts=self.facts + facts)

    @property
    def uploaded(self) -> int:
        """The bytes of blocks that all of them sent."""
        return sum(peer.uploaded for peer in self.peers)

    def share_of_uploads(self, kind: str) -> float:
        """Return which part of all uploads came from those of one kind."""
        given = sum(peer.uploaded for peer in self.peers if peer.kind == kind)
        return given / self.uploaded if self.uploaded else 0.0

    def completions(self) -> list[tuple[float, float]]:
        """Return (seconds, share of those who fetched that were complete then), ascending."""
        fetching = [peer for peer in self.peers if not peer.began_complete]
        times = sorted(peer.seconds for peer in fetching if peer.seconds is not None)
        return [(time, number / len(fetching)) for number, time in enumerate(times, 1)]

    def median_seconds(self, kind: str = "peer") -> float:
        """Return when half of those of a kind were complete; infinity for those who never were."""
        return median(
            float("inf") if peer.seconds is None else peer.seconds
            for peer in self.peers
            if peer.kind == kind
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can have of it."""
        return {
            "name": self.name,
            "size": self.size,
            "seconds": self.seconds,
            "facts": dict(self.facts),
            "peers": [asdict(peer) for peer in self.peers],
        }

    def lines(self) -> list[str]:
        """Return it as a table, and the facts below it."""
        rows = [_HEADINGS, *(_row(peer) for peer in self.peers)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        lines = [
            "  ".join(
                cell.rjust(width) if column else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return lines + [f"{label}: {text}" for label, text in self.facts]


def result_of(fields: dict[str, Any]) -> SwarmResult:
    """Return the result of which `as_dict` made the fields, through JSON or not."""
    return SwarmResult(
        name=fields["name"],
        size=fields["size"],
        seconds=fields["seconds"],
        peers=tuple(PeerResult(**peer) for peer in fields["peers"]),
        facts=tuple(fields["facts"].items()),
    )


def _row(peer: PeerResult) -> tuple[str, ...]:
    if peer.began_complete:
        complete = "from the start"
    else:
        complete = "never" if peer.seconds is None else f"{peer.seconds:.2f} s"
    return peer.name, complete, format_size(peer.downloaded), format_size(peer.uploaded)
