"""A tracker's registry in memory: some 70 bytes a peer, and no call that takes long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from zlib import crc32

from rawserver.swarm.peer_choice import Asker, Choose, PeerChoice, peers_of
from rawserver.swarm.peer_entry import (
    COMPLETED,
    DOWNLOADER,
    IPV4,
    IPV6,
    KIND_AT,
    PARTIAL_SEED,
    SEED,
    UNREACHABLE,
    VERIFIED,
    PeerEntry,
    PeerLayout,
)
from rawserver.swarm.peer_table import HASH_AT
from rawserver.swarm.registry import (
    DEFAULT_NUMWANT,
    MAX_NUMWANT,
    MAX_PEERS,
    MAX_TORRENTS,
    PEER_LIFETIME_SECONDS,
    AnnounceResult,
    Later,
    Random,
    RegistryError,
)
from rawserver.swarm.silent_peers import Sweep
from rawserver.swarm.swarm_store import SwarmStore
from rawserver.swarm.tracked_swarm import TrackedSwarm
from rawserver.wire.announce_request import Event
from rawserver.wire.compact_peers import Peer
from rawserver.wire.scrape import ScrapeFile

# A member of an enumeration costs a look-up each time.
_NONE, _STOPPED, _COMPLETED = Event.NONE, Event.STOPPED, Event.COMPLETED

# `_new(AnnounceResult, fields)` is `AnnounceResult(*fields)`, without a call in between.
_new = tuple.__new__


class MemoryRegistry:
    """Remembers swarms in memory.

    A peer that announces by IPv4 and by IPv6 (BEP 7) is kept, counted and handed out as two. A
    torrent without peers is forgotten, and with it how often it was completed, unless `keep_dead`.
    With `hide_unverified` nobody is handed out before `verified` is told of him. Who does not say
    how many he wants gets `numwant` peers, nobody more than `max_numwant`. `choose` picks
    those for an asker from a sample of his family's.
    """

    def __init__(
        self,
        random: Random,
        *,
        max_torrents: int = MAX_TORRENTS,
        max_peers: int = MAX_PEERS,
        peer_lifetime_seconds: float = PEER_LIFETIME_SECONDS,
        keep_dead: bool = False,
        hide_unverified: bool = False,
        numwant: int = DEFAULT_NUMWANT,
        max_numwant: int = MAX_NUMWANT,
        choose: Choose | None = None,
    ) -> None:
        self.store = SwarmStore(
            random,
            max_torrents=max_torrents,
            max_peers=max_peers,
            peer_lifetime_seconds=peer_lifetime_seconds,
            keeps_dead=keep_dead,
            hides_unverified=hide_unverified,
        )
        self._ages = self.store.ages
        self._by_hash = self.store.by_hash
        self._numwant = numwant
        self._max_numwant = max_numwant
        self._random = random.random
        self._at_random = choose is None
        self._choice = PeerChoice(random.random, choose)
        self._sweep = Sweep(self.store, peer_lifetime_seconds)

    def __len__(self) -> int:
        """The number of torrents."""
        return len(self.store.by_hash)

    def __contains__(self, info_hash: object) -> bool:
        return info_hash in self.store.by_hash

    @property
    def num_peers(self) -> int:
        """The number of peers in all swarms."""
        return self.store.num_peers

    @property
    def num_seeds(self) -> int:
        """How many of them have all of their torrent."""
        return self.store.num_seeds

    def announce(
        self,
        info_hash: bytes,
        peer_id: bytes,
        ip: bytes,
        port: int,
        left: int,
        event: Event,
        numwant: int | None,
        now: float,
        key: bytes = b"",
        *,
        with_ids: bool = False,
        partial: bool = False,
        only_own_family: bool = False,
        later: Later | None = None,
    ) -> AnnounceResult:
        """Note that a peer is there (or has stopped); return others for it to dial, at once."""
        ages = self._ages
        if now >= ages.ends_at:
            self.store.advance(now)
        kind = SEED if left == 0 else PARTIAL_SEED if partial else DOWNLOADER
        layout = IPV4 if len(ip) == 4 else IPV6
        name = layout.name.pack(kind, crc32(key) if key else 0, ip, port, peer_id)
        wanted = self._numwant if numwant is None else numwant
        if wanted > self._max_numwant:
            wanted = self._max_numwant
        swarm = self._by_hash.get(info_hash)
        table = None if swarm is None else swarm.ipv4 if layout is IPV4 else swarm.ipv6
        if event is _NONE and swarm is not None and table is not None:
            # Most repeat what is known: a search in `table.bucket_of(peer_id)` shows that they do.
            buckets, mask = table.buckets, table.mask
            place = mask and crc32(peer_id.translate(table.cipher)) * table.factor >> HASH_AT & mask
            bucket = buckets[place if place < len(buckets) else place & (mask >> 1)]
            at = bucket.rfind(name)  # which takes less time than find
            if at >= 0 and at % layout.stride == KIND_AT:
                bucket[at + layout.age_after_kind] = ages.tick
                one_family = only_own_family or swarm.ipv4 is None or swarm.ipv6 is None
                if one_family and self._at_random and not with_ids:
                    packed = table.draw(kind, True, name[5:-20], wanted, self._random)
                    peers4, peers6 = (packed, b"") if layout is IPV4 else (b"", packed)
                    numbers = swarm.complete, swarm.incomplete, swarm.downloaded
                    return _new(AnnounceResult, (*numbers, peers4, peers6, (), False))
                asker = Asker(table, kind, name[5:-20], peer_id)
                return self._answer(swarm, asker, wanted, with_ids, only_own_family)
        _check_lengths(info_hash, peer_id, ip)
        if event is _STOPPED:
            return self._stopped(swarm, layout, name)
        swarm, asker, unverified = self._enter(info_hash, layout, name, event is _COMPLETED)
        return self._answer(swarm, asker, wanted, with_ids, only_own_family, unverified)

    def scrape(self, info_hashes: Sequence[bytes], later: object = None) -> list[ScrapeFile]:
        """Return what is known of some torrents, at once; those that are not known are left out."""
        known = (self.store.by_hash.get(info_hash) for info_hash in info_hashes)
        return [swarm.summary() for swarm in known if swarm is not None]

    def torrents(self, limit: int | None = None) -> Iterator[ScrapeFile]:
        """Yield what is known of all torrents, or of the first `limit`, the oldest first.

        Announces may come between the steps.
        """
        return (swarm.summary() for swarm in islice(self.store.chain, limit))

    def expire(self, now: float) -> int:
        """Forget some of those that have been silent too long; return how many.

        To be called about once a second: all are looked at a few times in a lifetime.
        """
        before = self.store.num_peers
        self.store.advance(now)
        self._sweep.run(now)
        return before - self.store.num_peers

    def verified(self, info_hash: bytes, peer_id: bytes, ip: bytes, port: int) -> bool:
        """Hand a peer out from now on; False if it is not there, or at another address by now."""
        return self._judge(info_hash, peer_id, ip, port, VERIFIED)

    def unreachable(self, info_hash: bytes, peer_id: bytes, ip: bytes, port: int) -> bool:
        """Hide a peer, and call it unverified no more, until its address changes.

        False if it is not there, or at another address by now.
        """
        return self._judge(info_hash, peer_id, ip, port, UNREACHABLE)

    def _answer(
        self,
        swarm: TrackedSwarm,
        asker: Asker,
        wanted: int,
        with_ids: bool,
        only_own_family: bool,
        unverified: bool = False,
    ) -> AnnounceResult:
        ids: dict[bytes, bytes] | None = {} if with_ids else None
        peers4, peers6 = self._choice.peers(swarm, asker, wanted, only_own_family, ids)
        peers: tuple[Peer, ...] = ()
        if ids is not None:
            peers = (*peers_of(peers4, IPV4.width, ids), *peers_of(peers6, IPV6.width, ids))
        return AnnounceResult(
            swarm.complete, swarm.incomplete, swarm.downloaded, peers4, peers6, peers, unverified
        )

    def _stopped(
        self, swarm: TrackedSwarm | None, layout: PeerLayout, name: bytes
    ) -> AnnounceResult:
        if swarm is None:
            return AnnounceResult(0, 0, 0)
        table = swarm.table(layout)
        if table is not None:
            _, key, address, peer_id = layout.parts.unpack(name)
            bucket, at = table.find(peer_id)
            if at >= 0:
                _check_owner(table.entry(bucket, at), key, address)
                self.store.forget(swarm, table, bucket, at)
        return AnnounceResult(swarm.complete, swarm.incomplete, swarm.downloaded)

    def _enter(
        self, info_hash: bytes, layout: PeerLayout, name: bytes, completed: bool
    ) -> tuple[TrackedSwarm, Asker, bool]:
        """Note what is new in an announce; return who asks, and whether he is unverified."""
        kind, key, address, peer_id = layout.parts.unpack(name)
        store, flags = self.store, 0
        swarm, table, bucket, at = store.find(info_hash, layout, peer_id)
        if swarm is None or table is None or at < 0:
            swarm, table = store.room(info_hash, layout)
        else:
            known = table.entry(bucket, at)
            _check_owner(known, key, address)
            store.take(swarm, table, bucket, at)
            key = key or known.key
            flags = known.flags if address == known.address else known.flags & COMPLETED
        if completed and kind == SEED and not flags & COMPLETED:
            flags |= COMPLETED
            swarm.downloaded += 1
        entry = PeerEntry(0, kind, key, address, peer_id, flags, store.ages.tick)
        kind = store.put(swarm, table, entry)
        return swarm, Asker(table, kind, address, peer_id), store.is_unverified(entry)

    def _judge(self, info_hash: bytes, peer_id: bytes, ip: bytes, port: int, verdict: int) -> bool:
        layout, address = IPV4 if len(ip) == 4 else IPV6, ip + port.to_bytes(2, "big")
        swarm, table, bucket, at = self.store.find(info_hash, layout, peer_id)
        if swarm is None or table is None or at < 0 or table.entry(bucket, at).address != address:
            return False
        entry = self.store.take(swarm, table, bucket, at)
        self.store.put(swarm, table, entry._replace(flags=entry.flags & COMPLETED | verdict))
        return True


def _check_lengths(info_hash: bytes, peer_id: bytes, ip: bytes) -> None:
    if len(info_hash) != 20 or len(peer_id) != 20 or len(ip) not in (4, 16):
        raise ValueError("info-hashes and peer ids have 20 bytes, addresses 4 or 16")


def _check_owner(known: PeerEntry, key: int, address: bytes) -> None:
    """Only who has a peer's key or its IP address may say anything of it (as in bttrack)."""
    if address[:-2] != known.address[:-2] and not (key and key == known.key):
        raise RegistryError("this peer id is in use at another address; the key does not match")
