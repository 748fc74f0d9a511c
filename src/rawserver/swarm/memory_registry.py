"""A tracker's memory: which peers are in which torrent's swarm, and whom to tell of whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

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
from rawserver.wire.announce_request import Event
from rawserver.wire.compact_peers import Peer, ip_to_bytes, ip_to_text
from rawserver.wire.scrape import ScrapeFile


class _Entry:
    """One peer at one address family in one swarm."""

    __slots__ = ("completed", "key", "name", "packed", "peer", "place", "seed", "seen_at", "swarm")

    def __init__(self, swarm: _Swarm, name: bytes, peer: Peer, packed: bytes, key: bytes) -> None:
        self.swarm = swarm
        self.name = name
        self.peer = peer
        self.packed = packed
        self.key = key
        self.seed = False
        self.completed = False
        self.seen_at = 0.0
        self.place = 0  # in the swarm's list of seeds or of leechers


class _Swarm:
    __slots__ = ("downloaded", "entries", "info_hash", "leechers", "seeds")

    def __init__(self, info_hash: bytes) -> None:
        self.info_hash = info_hash
        self.entries: dict[bytes, _Entry] = {}
        self.seeds: list[_Entry] = []
        self.leechers: list[_Entry] = []
        self.downloaded = 0

    def enlist(self, entry: _Entry) -> None:
        listed = self.seeds if entry.seed else self.leechers
        entry.place = len(listed)
        listed.append(entry)

    def delist(self, entry: _Entry) -> None:
        """Take an entry out of its list; the last one gets its place."""
        listed = self.seeds if entry.seed else self.leechers
        last = listed.pop()
        if last is not entry:
            listed[entry.place] = last
            last.place = entry.place

    def summary(self) -> ScrapeFile:
        return ScrapeFile(self.info_hash, len(self.seeds), self.downloaded, len(self.leechers))

    def pick(self, asker: _Entry, wanted: int, random: Random) -> list[_Entry]:
        """Choose peers for one: never itself, and no seeds for a seed, who could do nothing."""
        if asker.seed:
            return self._draw(self.leechers, asker, wanted, random)
        seeds, others = len(self.seeds), len(self.leechers) - 1
        if not seeds:
            return self._draw(self.leechers, asker, wanted, random)
        # As many of each as their share, the broken part by chance, but at least one who has all.
        share = max(1, int(wanted * seeds / (seeds + others) + random.random()))
        share = min(seeds, wanted, max(share, wanted - others))
        return [
            *self._draw(self.seeds, asker, share, random),
            *self._draw(self.leechers, asker, wanted - share, random),
        ]

    def _draw(
        self, listed: list[_Entry], asker: _Entry, wanted: int, random: Random
    ) -> list[_Entry]:
        """Choose at random in time that depends on `wanted` alone.

        It begins to shuffle the list where it stands (Fisher-Yates) and stops when it has enough:
        two more than wanted, for the asker may be among them, by IPv4 and by IPv6.
        """
        if wanted <= 0:
            return []
        count = len(listed)
        stop = min(wanted + 2, count)
        if count > wanted:
            chance = random.random
            for place in range(stop):
                other = place + int(chance() * (count - place))
                chosen, moved = listed[other], listed[place]
                listed[place], listed[other] = chosen, moved
                chosen.place, moved.place = place, other
        peer_id = asker.peer.peer_id
        # Port 0 says that nobody listens: such a peer counts, but cannot be dialled.
        found = [
            entry for entry in listed[:stop] if entry.peer.peer_id != peer_id and entry.peer.port
        ]
        return found[:wanted]


class MemoryRegistry:
    """Remembers swarms in memory; each announce costs time in proportion to the peers it returns.

    A peer that announces by IPv4 and by IPv6 (BEP 7) is kept, counted and handed out as two. A
    torrent without peers is forgotten, and with it how often it was completed.
    """

    def __init__(
        self,
        random: Random,
        *,
        max_torrents: int = MAX_TORRENTS,
        max_peers: int = MAX_PEERS,
        peer_lifetime_seconds: float = PEER_LIFETIME_SECONDS,
    ) -> None:
        self._random = random
        self._max_torrents = max_torrents
        self._max_peers = max_peers
        self._peer_lifetime_seconds = peer_lifetime_seconds
        self._swarms: dict[bytes, _Swarm] = {}
        # All entries, the longest silent first.
        self._by_age: dict[_Entry, None] = {}

    def __len__(self) -> int:
        """The number of torrents."""
        return len(self._swarms)

    def __contains__(self, info_hash: bytes) -> bool:
        return info_hash in self._swarms

    @property
    def num_peers(self) -> int:
        """The number of peers in all swarms."""
        return len(self._by_age)

    def announce(
        self,
        info_hash: bytes,
        peer_id: bytes,
        ip: bytes | str,
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
        """Note that a peer is there (or has stopped) and return others for it to dial.

        An existing entry is changed only by who has its key or its address. Raises RegistryError
        for others and when the registry is full, ValueError if `ip` is no address.
        """
        ip = ip_to_text(ip)  # type: ignore[arg-type]
        name = peer_id + b"6" if ":" in ip else peer_id
        swarm = self._swarms.get(info_hash)
        entry = None if swarm is None else swarm.entries.get(name)
        if entry is not None and entry.peer.ip != ip and not (key and key == entry.key):
            raise RegistryError("this peer id is in use at another address; the key does not match")
        if event is Event.STOPPED:
            return self._stopped(swarm, entry)
        if entry is None:
            entry = self._join(info_hash, name, Peer(ip, port, peer_id), key, left == 0)
        else:
            self._update(entry, ip, port, key, left == 0)
        if event is Event.COMPLETED and left == 0 and not entry.completed:
            entry.completed = True
            entry.swarm.downloaded += 1
        entry.seen_at = now
        self._by_age.pop(entry, None)
        self._by_age[entry] = None
        wanted = DEFAULT_NUMWANT if numwant is None else min(numwant, MAX_NUMWANT)
        return _result(entry.swarm, entry.swarm.pick(entry, wanted, self._random))

    def expire(self, now: float) -> int:
        """Forget peers that have been silent too long; return how many. Call it now and then."""
        oldest = now - self._peer_lifetime_seconds
        silent = []
        for entry in self._by_age:
            if entry.seen_at >= oldest:
                break
            silent.append(entry)
        for entry in silent:
            self._remove(entry)
        return len(silent)

    def scrape(self, info_hashes: Iterable[bytes], later: object = None) -> list[ScrapeFile]:
        """Return what is known of some torrents; those that are not known are left out."""
        known = (self._swarms.get(info_hash) for info_hash in info_hashes)
        return [swarm.summary() for swarm in known if swarm is not None]

    def torrents(self, limit: int | None = None) -> Iterator[ScrapeFile]:
        """Yield what is known of all torrents, or of the first `limit`, the oldest first."""
        return (swarm.summary() for swarm in islice(self._swarms.values(), limit))

    def _join(self, info_hash: bytes, name: bytes, peer: Peer, key: bytes, seed: bool) -> _Entry:
        packed = ip_to_bytes(peer.ip) + peer.port.to_bytes(2, "big")
        if len(self._by_age) >= self._max_peers:
            raise RegistryError("the tracker is full: it has no room for another peer")
        swarm = self._swarms.get(info_hash)
        if swarm is None:
            if len(self._swarms) >= self._max_torrents:
                raise RegistryError("the tracker is full: it has no room for another torrent")
            swarm = self._swarms[info_hash] = _Swarm(info_hash)
        entry = swarm.entries[name] = _Entry(swarm, name, peer, packed, key)
        entry.seed = seed
        swarm.enlist(entry)
        return entry

    def _update(self, entry: _Entry, ip: str, port: int, key: bytes, seed: bool) -> None:
        if key:
            entry.key = key
        if entry.peer.ip != ip or entry.peer.port != port:
            entry.packed = ip_to_bytes(ip) + port.to_bytes(2, "big")
            entry.peer = Peer(ip, port, entry.peer.peer_id)
        if entry.seed != seed:
            entry.swarm.delist(entry)
            entry.seed = seed
            entry.swarm.enlist(entry)

    def _stopped(self, swarm: _Swarm | None, entry: _Entry | None) -> AnnounceResult:
        if swarm is None:
            return AnnounceResult(0, 0, 0)
        if entry is not None:
            self._remove(entry)
        return _result(swarm, [])

    def _remove(self, entry: _Entry) -> None:
        swarm = entry.swarm
        del self._by_age[entry]
        del swarm.entries[entry.name]
        swarm.delist(entry)
        if not swarm.entries:
            del self._swarms[swarm.info_hash]


def _result(swarm: _Swarm, chosen: list[_Entry]) -> AnnounceResult:
    return AnnounceResult(
        len(swarm.seeds),
        len(swarm.leechers),
        swarm.downloaded,
        b"".join([entry.packed for entry in chosen if len(entry.packed) == 6]),
        b"".join([entry.packed for entry in chosen if len(entry.packed) == 18]),
        tuple([entry.peer for entry in chosen]),
    )
