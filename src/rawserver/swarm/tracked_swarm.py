"""One torrent's peers, as a tracker keeps them, and the chain of all torrents."""

from __future__ import annotations

from collections.abc import Iterator

from rawserver.swarm.peer_entry import HIDDEN, IPV4, PARTIAL_SEED, SEED, PeerLayout
from rawserver.swarm.peer_table import PeerTable
from rawserver.wire.scrape import ScrapeFile


class TrackedSwarm:
    """A torrent's peers by address family, and their numbers.

    `ipv4` and `ipv6` are None while there are no peers of that family.
    """

    __slots__ = (
        "complete", "downloaded", "incomplete", "info_hash", "ipv4", "ipv6", "newer", "older",
        "partial",
    )  # fmt: skip

    def __init__(self, info_hash: bytes) -> None:
        self.info_hash = info_hash
        self.ipv4: PeerTable | None = None
        self.ipv6: PeerTable | None = None
        self.complete = self.incomplete = self.downloaded = 0
        # How many of the incomplete only upload (BEP 21).
        self.partial = 0
        # For the chain.
        self.older: TrackedSwarm = self
        self.newer: TrackedSwarm | None = self

    def count(self, kind: int, change: int) -> None:
        """Note that so many peers of a kind have come or, if negative, gone."""
        kind &= ~HIDDEN
        if kind == SEED:
            self.complete += change
        else:
            self.incomplete += change
            if kind == PARTIAL_SEED:
                self.partial += change

    def table(self, layout: PeerLayout) -> PeerTable | None:
        """Return the peers of one family, if there are any."""
        return self.ipv4 if layout is IPV4 else self.ipv6

    def begin_table(self, layout: PeerLayout, cipher: bytes) -> PeerTable:
        """Return a table for the first peer of a family."""
        table = PeerTable(layout, cipher)
        if layout is IPV4:
            self.ipv4 = table
        else:
            self.ipv6 = table
        return table

    def end_table(self, table: PeerTable) -> None:
        """Give up a table that has no peers any more."""
        if table is self.ipv4:
            self.ipv4 = None
        else:
            self.ipv6 = None

    def clear(self) -> None:
        """Forget all peers; who goes through a table at the moment finds nothing more there."""
        for table in self.tables():
            table.buckets.clear()
            table.num_peers = 0
        self.ipv4 = self.ipv6 = None
        self.complete = self.incomplete = self.partial = 0

    def tables(self) -> list[PeerTable]:
        """Return the tables that there are."""
        return [table for table in (self.ipv4, self.ipv6) if table is not None]

    def summary(self) -> ScrapeFile:
        """Return what a scrape says of it."""
        downloaders = self.incomplete - self.partial
        return ScrapeFile(
            self.info_hash, self.complete, self.downloaded, self.incomplete, downloaders
        )


class SwarmChain:
    """All swarms, the oldest first; they may come and go while somebody goes through them."""

    def __init__(self) -> None:
        # Both ends: its `newer` is the oldest swarm, its `older` the newest.
        self._ends = TrackedSwarm(b"")

    def append(self, swarm: TrackedSwarm) -> None:
        """Add the newest."""
        newest = self._ends.older
        newest.newer = self._ends.older = swarm
        swarm.older, swarm.newer = newest, self._ends

    def remove(self, swarm: TrackedSwarm) -> None:
        """Take one out that is in the chain."""
        older, newer = swarm.older, swarm.newer
        assert newer is not None
        older.newer, newer.older = newer, older
        # Whoever stands here goes back to the one before it and on from there.
        swarm.newer = None

    def __iter__(self) -> Iterator[TrackedSwarm]:
        swarm = self._ends
        while True:
            while swarm.newer is None:
                swarm = swarm.older
            swarm = swarm.newer
            if swarm is self._ends:
                return
            yield swarm
