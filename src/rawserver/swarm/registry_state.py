"""A registry in memory as bytes, for a state file: written and read a little at a time.

A file is a header and chunks. The header: 24 bytes that name the format, and the seconds of a tick
(an 8-byte float). A chunk: its length and CRC-32 (4 bytes each), then records until its end. All
numbers are big-endian. Records:

    t  info-hash (20), completed downloads (8): what follows is of this torrent
    4  number (2), entries of IPv4 peers (`peer_entry`), their ages in ticks before the dump
    6  number (2), entries of IPv6 peers
    .  number of torrents (8) and of peers (8) above: the last record of the file

Each chunk but the last begins with a torrent, which then comes again. What changes while a dump is
taken may be in it, or not, or twice; what does not change is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from zlib import crc32

from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.peer_ages import PeerAges
from rawserver.swarm.peer_entry import (
    COMPLETED,
    DOWNLOADER,
    HIDDEN,
    IPV4,
    IPV6,
    PARTIAL_SEED,
    SEED,
    UNREACHABLE,
    VERIFIED,
    PeerEntry,
    PeerLayout,
)
from rawserver.swarm.peer_table import PeerTable
from rawserver.swarm.registry import RegistryError
from rawserver.swarm.tracked_swarm import TrackedSwarm

MAGIC = b"rawserver tracker peers\x01"
HEADER = Struct(">24sd")
CHUNK = Struct(">II")
TORRENT = Struct(">s20sQ")
PEERS = Struct(">sH")
END = Struct(">sQQ")

# Some 440 peers: a fraction of a millisecond to write, some to read.
CHUNK_LENGTH = 16384
# Torrents cost more than their bytes say.
MOST_STEPS_IN_A_CHUNK = 200
# A chunk is full when it has more than that; the last bucket is some 100 peers at the very most.
_LONGEST_CHUNK = 2 * CHUNK_LENGTH

_LAYOUTS = {b"4": IPV4, b"6": IPV6}
_KINDS = frozenset([DOWNLOADER, SEED, PARTIAL_SEED])
_FLAGS = COMPLETED | VERIFIED | UNREACHABLE


class RegistryStateError(ValueError):
    """A state is damaged, or none. The text says what is wrong, and at which byte."""


def dump(registry: MemoryRegistry, now: float) -> Iterator[bytes]:
    """Yield the state in pieces; announces may come between them. `now` is in seconds."""
    store = registry.store
    store.advance(now)
    yield HEADER.pack(MAGIC, store.ages.tick_seconds)
    writer = _Writer(store.ages)
    for swarm in store.chain:
        writer.begin(swarm)
        for table in swarm.tables():
            table.pins += 1  # or the last buckets could go behind our back
            try:
                place = 0
                while place < len(table.buckets):
                    writer.add(table, table.buckets[place])
                    place += 1
                    if writer.is_full:
                        yield writer.chunk()
                        writer.begin(swarm)
            finally:
                table.pins -= 1
        if writer.is_full:
            yield writer.chunk()
    if writer.records:
        yield writer.chunk()
    writer.records += END.pack(b".", writer.torrents, writer.peers)
    yield writer.chunk()


class _Writer:
    """Collects records for a chunk."""

    def __init__(self, ages: PeerAges) -> None:
        self.records = bytearray()
        self.torrents = self.peers = 0
        self._steps = 0
        self._ages = ages
        self._tick = -1
        self._age_of = b""

    @property
    def is_full(self) -> bool:
        return len(self.records) > CHUNK_LENGTH or self._steps > MOST_STEPS_IN_A_CHUNK

    def begin(self, swarm: TrackedSwarm) -> None:
        self.records += TORRENT.pack(b"t", swarm.info_hash, swarm.downloaded)
        self.torrents += 1
        self._steps += 1

    def add(self, table: PeerTable, bucket: bytearray) -> None:
        layout = table.layout
        number = len(bucket) // layout.stride
        if self._tick != self._ages.tick:
            self._tick = self._ages.tick
            self._age_of = bytes([(self._tick - tick) % 256 for tick in range(256)])
        entries = bucket[:]
        ages = slice(layout.age_at, None, layout.stride)
        entries[ages] = entries[ages].translate(self._age_of)
        self.records += PEERS.pack(b"4" if layout is IPV4 else b"6", number)
        self.records += entries
        self.peers += number
        self._steps += 1

    def chunk(self) -> bytes:
        records = bytes(self.records)
        self.records.clear()
        self._steps = 0
        return CHUNK.pack(len(records), crc32(records)) + records


class Restorer:
    """Takes a state into a registry; feed it with the file's bytes as they come.

    `now` is in seconds; `elapsed` are the seconds since the dump, if that is known: peers have
    grown so much older. Those that are too old, or for which the registry has no room, are left
    out; those that are there already stay as they are. `peers` is how many were taken in.

    After a RegistryStateError the registry has what came before the damage, and is sound.
    """

    def __init__(self, registry: MemoryRegistry, now: float, elapsed: float = 0.0) -> None:
        self.peers = 0
        self._read = [0, 0]  # torrents, peers
        self._store = registry.store
        self._store.advance(now)
        self._elapsed = elapsed
        self._buffer = bytearray()
        self._offset = 0  # in the file, of the first byte that was not taken
        self._ticks: list[int | None] | None = None
        self._info_hash = b""
        self._downloaded = 0
        self._is_complete = False

    def feed(self, data: bytes) -> None:
        """Take some more bytes; RegistryStateError if they are damaged."""
        self._buffer += data
        if self._ticks is None:
            if len(self._buffer) < HEADER.size:
                return
            self._take_header()
        while len(self._buffer) >= CHUNK.size:
            length, checksum = CHUNK.unpack_from(self._buffer)
            if length > _LONGEST_CHUNK:
                raise self._error(f"a chunk cannot have {length} bytes")
            records = bytes(self._buffer[CHUNK.size : CHUNK.size + length])
            if len(records) < length:
                return
            if self._is_complete:
                raise self._error("something follows the end")
            if crc32(records) != checksum:
                raise self._error("a chunk does not match its checksum")
            self._take_records(records)
            del self._buffer[: CHUNK.size + length]
            self._offset += CHUNK.size + length

    def close(self) -> None:
        """Say that this was all; RegistryStateError if it was not."""
        if not self._is_complete or self._buffer:
            self._offset += len(self._buffer)
            raise self._error("it ends too early")

    def _take_header(self) -> None:
        magic, tick_seconds = HEADER.unpack_from(self._buffer)
        if magic != MAGIC:
            raise self._error("this is no state of a tracker's registry, or of another version")
        if not 0 < tick_seconds < 1e9:
            raise self._error("the length of a tick is impossible")
        # The tick of each age; None for those that are too old.
        tick_of = self._store.ages.tick_of
        self._ticks = [tick_of(age * tick_seconds + self._elapsed) for age in range(256)]
        del self._buffer[: HEADER.size]
        self._offset += HEADER.size

    def _take_records(self, records: bytes) -> None:
        at = 0
        self._info_hash = b""
        while at < len(records):
            kind = records[at : at + 1]
            if kind == b"t" and len(records) >= at + TORRENT.size:
                _, self._info_hash, self._downloaded = TORRENT.unpack_from(records, at)
                self._take_torrent()
                at += TORRENT.size
            elif kind in _LAYOUTS and self._info_hash and len(records) >= at + PEERS.size:
                layout, number = _LAYOUTS[kind], PEERS.unpack_from(records, at)[1]
                at += PEERS.size
                entries = records[at : at + number * layout.stride]
                if len(entries) < number * layout.stride:
                    raise self._error("a chunk ends within a peer")
                self._take_peers(layout, entries)
                at += len(entries)
            elif kind == b"." and len(records) == at + END.size:
                self._take_end(*END.unpack_from(records, at)[1:])
                at += END.size
            else:
                raise self._error(f"there is no record such as {kind!r} here")

    def _take_torrent(self) -> None:
        self._read[0] += 1
        swarm = self._store.by_hash.get(self._info_hash)
        if swarm is None and self._store.keeps_dead:
            try:
                swarm = self._store.swarm(self._info_hash)
            except RegistryError:
                return  # there is no room for it
        if swarm is not None:
            swarm.downloaded = max(swarm.downloaded, self._downloaded)

    def _take_peers(self, layout: PeerLayout, entries: bytes) -> None:
        assert self._ticks is not None
        for fields in layout.entry.iter_unpack(entries):
            entry = PeerEntry._make(fields)
            self._read[1] += 1
            if entry.kind & ~HIDDEN not in _KINDS or entry.flags & ~_FLAGS:
                raise self._error(f"no peer is of kind {entry.kind} with flags {entry.flags}")
            tick = self._ticks[entry.age]
            if tick is not None:
                self._take_peer(layout, entry._replace(age=tick))

    def _take_peer(self, layout: PeerLayout, entry: PeerEntry) -> None:
        store = self._store
        if store.find(self._info_hash, layout, entry.peer_id)[3] >= 0:
            return
        try:
            swarm, table = store.room(self._info_hash, layout)
        except RegistryError:
            return
        swarm.downloaded = max(swarm.downloaded, self._downloaded)
        store.put(swarm, table, entry)
        self.peers += 1

    def _take_end(self, *numbers: int) -> None:
        if list(numbers) != self._read:
            raise self._error("torrents or peers are missing")
        self._is_complete = True

    def _error(self, what: str) -> RegistryStateError:
        return RegistryStateError(f"byte {self._offset}: {what}")
