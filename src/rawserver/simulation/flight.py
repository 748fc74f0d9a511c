"""Packets of a stream that are under way, and which of them are lost (RFC 2018, RFC 6675)."""

from __future__ import annotations

from collections.abc import Sequence

# A segment is lost when so many that were sent after it have come (RFC 5681, section 3.2).
DUPLICATES = 3

# From a sequence number up to another: what a receiver has got beyond a hole.
Range = tuple[int, int]


class Flight:
    """A packet that is under way, from `sequence` up to `end`; SYN and FIN count as one byte.

    `again`: it was sent more than once. `is_sacked`: the receiver has it, though not all before it.
    `is_lost`: it is to be sent again.
    """

    __slots__ = (
        "again", "end", "is_lost", "is_sacked", "kind", "payload", "sent_at", "sequence",
    )  # fmt: skip

    def __init__(
        self, kind: int, sequence: int, end: int, payload: bytes | memoryview, now: float
    ) -> None:
        self.kind = kind
        self.sequence = sequence
        self.end = end
        self.payload = payload
        self.sent_at = now
        self.again = self.is_sacked = self.is_lost = False

    @property
    def is_on_its_way(self) -> bool:
        """Whether it is neither there nor lost, as far as the sender knows."""
        return not self.is_sacked and not self.is_lost


def note_sacked(flights: Sequence[Flight], sacked: Sequence[Range]) -> None:
    """Mark the flights that a receiver tells of."""
    for flight in flights:
        if not flight.is_sacked:
            for begin, end in sacked:
                if begin <= flight.sequence and flight.end <= end:
                    flight.is_sacked, flight.is_lost = True, False
                    break


def find_lost(flights: Sequence[Flight], segment: int) -> bool:
    """Mark the flights that must be lost, since others that were sent later are there.

    That takes three packets, or the bytes of three segments; where fewer packets are under way,
    all but the first (RFC 5827). Returns whether there are any that were not known.
    """
    enough = min(DUPLICATES, max(1, len(flights) - 1))
    found = False
    packets, size, newest = 0, 0, 0.0
    for flight in reversed(flights):
        if flight.is_sacked:
            packets += 1
            size += flight.end - flight.sequence
            newest = max(newest, flight.sent_at)
        elif (packets >= enough or size > (enough - 1) * segment) and not flight.is_lost:
            # One that was sent again is lost again only if something is there that left after it.
            if not flight.again or flight.sent_at < newest:
                flight.is_lost = found = True
    return found


def on_their_way(flights: Sequence[Flight]) -> int:
    """Count the bytes that are neither there nor lost (RFC 6675's pipe)."""
    return sum(flight.end - flight.sequence for flight in flights if flight.is_on_its_way)
