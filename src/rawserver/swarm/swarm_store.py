"""All swarms of a tracker in memory: what may be in it, and what is hidden."""

from __future__ import annotations

from rawserver.swarm.peer_ages import PeerAges
from rawserver.swarm.peer_entry import HIDDEN, SEED, UNREACHABLE, VERIFIED, PeerEntry, PeerLayout
from rawserver.swarm.peer_table import PeerTable, make_cipher
from rawserver.swarm.registry import Random, RegistryError
from rawserver.swarm.tracked_swarm import SwarmChain, TrackedSwarm


class SwarmStore:
    """Swarms by info-hash and in the order of their first announce, within limits.

    `hides_unverified`: a peer that is not verified is hidden. `keeps_dead`: a swarm without peers
    stays, and with it how often it was completed.
    """

    def __init__(
        self,
        random: Random,
        *,
        max_torrents: int,
        max_peers: int,
        peer_lifetime_seconds: float,
        keeps_dead: bool = False,
        hides_unverified: bool = False,
    ) -> None:
        self.by_hash: dict[bytes, TrackedSwarm] = {}
        self.chain = SwarmChain()
        self.ages = PeerAges(peer_lifetime_seconds)
        self.num_peers = 0
        self.num_seeds = 0
        self._cipher = make_cipher(random)
        self._max_torrents = max_torrents
        self._max_peers = max_peers
        self.keeps_dead = keeps_dead
        self._hides_unverified = hides_unverified

    def advance(self, now: float) -> None:
        """Go on with the time."""
        if self.ages.advance(now):
            # For two lifetimes nobody has called: all peers are gone.
            for swarm in self.chain:
                self.num_peers -= swarm.complete + swarm.incomplete
                self.num_seeds -= swarm.complete
                swarm.clear()
                self._forget_if_dead(swarm)

    def find(
        self, info_hash: bytes, layout: PeerLayout, peer_id: bytes
    ) -> tuple[TrackedSwarm | None, PeerTable | None, bytearray, int]:
        """Return the swarm, the table, the bucket and the place in it of a peer.

        What there is not is None; the place is -1 if the peer is not there.
        """
        swarm = self.by_hash.get(info_hash)
        table = None if swarm is None else swarm.table(layout)
        if table is None:
            return swarm, None, bytearray(), -1
        return swarm, table, *table.find(peer_id)

    def swarm(self, info_hash: bytes) -> TrackedSwarm:
        """Return a swarm, with or without peers; RegistryError if there is no room for it."""
        swarm = self.by_hash.get(info_hash)
        if swarm is None:
            if len(self.by_hash) >= self._max_torrents:
                raise RegistryError("the tracker is full: it has no room for another torrent")
            swarm = self.by_hash[info_hash] = TrackedSwarm(info_hash)
            self.chain.append(swarm)
        return swarm

    def room(self, info_hash: bytes, layout: PeerLayout) -> tuple[TrackedSwarm, PeerTable]:
        """Return where to put one more peer; RegistryError if there is no room for it."""
        if self.num_peers >= self._max_peers:
            raise RegistryError("the tracker is full: it has no room for another peer")
        swarm = self.swarm(info_hash)
        return swarm, swarm.table(layout) or swarm.begin_table(layout, self._cipher)

    def put(self, swarm: TrackedSwarm, table: PeerTable, entry: PeerEntry) -> int:
        """Take a peer in that is not there; return its kind, now hidden or not."""
        kind = entry.kind & ~HIDDEN
        if self.is_hidden(entry):
            kind |= HIDDEN
        table.add(entry if kind == entry.kind else entry._replace(kind=kind))
        swarm.count(kind, 1)
        self.num_peers += 1
        self.num_seeds += kind & ~HIDDEN == SEED
        return kind

    def take(self, swarm: TrackedSwarm, table: PeerTable, bucket: bytearray, at: int) -> PeerEntry:
        """Take a peer out, to put it back changed."""
        entry = table.remove(bucket, at)
        swarm.count(entry.kind, -1)
        self.num_peers -= 1
        self.num_seeds -= entry.kind & ~HIDDEN == SEED
        return entry

    def forget(self, swarm: TrackedSwarm, table: PeerTable, bucket: bytearray, at: int) -> None:
        """Take a peer out for good, and a swarm with its last one."""
        self.take(swarm, table, bucket, at)
        if not table.num_peers:
            swarm.end_table(table)
            self._forget_if_dead(swarm)

    def is_hidden(self, entry: PeerEntry) -> bool:
        """Whether a peer is only counted."""
        # Port 0 says that nobody listens: such a peer cannot be dialled.
        return entry.address[-2:] == b"\0\0" or (
            self._hides_unverified and not entry.flags & VERIFIED
        )

    def is_unverified(self, entry: PeerEntry) -> bool:
        """Whether somebody should try to reach a peer, so that it need not be hidden."""
        return (
            self._hides_unverified
            and not entry.flags & (VERIFIED | UNREACHABLE)
            and entry.address[-2:] != b"\0\0"
        )

    def _forget_if_dead(self, swarm: TrackedSwarm) -> None:
        if not self.keeps_dead and not swarm.tables():
            del self.by_hash[swarm.info_hash]
            self.chain.remove(swarm)
