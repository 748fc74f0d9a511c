"""The peers of one swarm and one address family, in few bytes each."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from zlib import crc32

from rawserver.swarm.peer_entry import (
    HIDDEN,
    KIND_AT,
    PARTIAL_SEED,
    PEER_ID_LENGTH,
    SEED,
    PeerEntry,
    PeerLayout,
)
from rawserver.swarm.peer_ring import PeerRing, without
from rawserver.swarm.registry import Random

# A search costs about 0.2 us and 6 ns for each entry that it passes; a bucket has some 80 bytes
# beside its entries. Between the two numbers nothing is moved.
MOST_IN_A_BUCKET = 12
LEAST_IN_A_BUCKET = 4
# The bit of the product of a checksum and the factor at which the hash begins.
HASH_AT = 32
FACTOR_BYTES = 7
_HASH_BITS = 2**32 - 1


def make_cipher(random: Random) -> bytes:
    """Return a substitution of bytes that nobody else knows, for the hashes of peer ids.

    Strangers choose their peer ids. With a checksum alone they could choose thousands that meet in
    one bucket; see `factor_of` too. (Python's own hash would do, but it differs from process to
    process, and with it the order in which peers are forgotten: a simulation would not repeat.)
    """
    cipher = bytearray(range(256))
    for place in range(255, 0, -1):
        other = int(random.random() * (place + 1))
        cipher[place], cipher[other] = cipher[other], cipher[place]
    return bytes(cipher)


@lru_cache(maxsize=16)
def factor_of(cipher: bytes) -> int:
    """Return what goes with a cipher: the hash of a peer id is its checksum, times this.

    A checksum is linear, whatever the bytes are put in place of: there are places at which a byte
    may be changed for any other, and the low bits, which choose the bucket, stay as they are.
    Bits above a product with a secret number are another matter (multiply-shift hashing: two
    checksums meet by chance alone).
    """
    return int.from_bytes(cipher[:FACTOR_BYTES], "big") | 1


class PeerTable:
    """Entries by peer id, and rings of the addresses that may be handed out.

    Entries lie in buckets, chosen by a hash of the peer id. The table grows and shrinks by one
    bucket at a time (linear hashing): no call moves more than a bucket's entries. While `pins` is
    not 0 it does not shrink: who goes through the buckets misses nobody.
    """

    __slots__ = (
        "_nobody", "buckets", "cipher", "downloaders", "factor", "layout", "mask", "num_peers",
        "partial_seeds", "pins", "seeds",
    )  # fmt: skip

    def __init__(self, layout: PeerLayout, cipher: bytes) -> None:
        self.layout = layout
        self.cipher = cipher
        self.factor = factor_of(cipher)
        self.buckets = [bytearray()]
        # The low bits of a hash that choose a bucket; those beyond the last wrap to half of it.
        self.mask = 0
        self.num_peers = 0
        self.pins = 0
        # The rings; those without peers are one and the same, so that they cost nothing.
        self._nobody = _NOBODY[layout.width]
        self.seeds = self.partial_seeds = self.downloaders = self._nobody

    def bucket_of(self, peer_id: bytes) -> bytearray:
        """Return the bucket where a peer is, if it is there."""
        return self._bucket(self._hash_of(peer_id)) if self.mask else self.buckets[0]

    def find(self, peer_id: bytes) -> tuple[bytearray, int]:
        """Return a peer's bucket and where its entry begins there, or -1."""
        bucket = self.bucket_of(peer_id)
        id_at, stride = self.layout.id_at, self.layout.stride
        at = bucket.find(peer_id)
        while at >= 0 and at % stride != id_at:
            at = bucket.find(peer_id, at + 1)
        return bucket, at - id_at if at >= 0 else -1

    def entry(self, bucket: bytearray, at: int) -> PeerEntry:
        """Return the entry that begins there."""
        return PeerEntry._make(self.layout.entry.unpack_from(bucket, at))

    def address_of(self, peer_id: bytes) -> bytes:
        """Return the packed address of a peer, or one that nobody is handed out with."""
        bucket, at = self.find(peer_id)
        return self.layout.nowhere if at < 0 else self.entry(bucket, at).address

    def add(self, entry: PeerEntry) -> None:
        """Take a peer in that is not there; its slot is found here."""
        _, kind, key, address, peer_id, flags, age = entry
        id_hash = self._hash_of(peer_id)
        slot = 0 if kind & HIDDEN else self._ring_to_fill(kind).add(address, id_hash)
        packed = self.layout.entry.pack(slot, kind, key, address, peer_id, flags, age)
        self._bucket(id_hash).extend(packed)
        self.num_peers += 1
        if self.num_peers > MOST_IN_A_BUCKET * len(self.buckets):
            self._split()

    def remove(self, bucket: bytearray, at: int) -> PeerEntry:
        """Take a peer out; the last one of its bucket gets its place there."""
        entry, stride = self.entry(bucket, at), self.layout.stride
        bucket[at : at + stride] = bucket[-stride:]
        del bucket[-stride:]
        if not entry.kind & HIDDEN:
            self._leave_ring(entry.kind, entry.slot)
        self.num_peers -= 1
        self.shrink()
        return entry

    def shrink(self) -> bool:
        """Give up a bucket if there are too many for the peers; return whether there were."""
        if self.pins or self.num_peers >= LEAST_IN_A_BUCKET * (len(self.buckets) - 1):
            return False
        self._merge()
        return True

    def ring_of(self, kind: int) -> PeerRing:
        """Return the ring of a kind of peers that are not hidden."""
        if kind == SEED:
            return self.seeds
        return self.partial_seeds if kind == PARTIAL_SEED else self.downloaders

    def shares(
        self, kind: int, visible: bool, wanted: int, random: Callable[[], float]
    ) -> list[tuple[int, int]]:
        """Return how many peers of which kinds are for one who asks: (kind, number).

        `kind` is his; `visible` says that he himself is in a ring. Who only uploads has no use for
        others who do: he gets downloaders. Downloaders get of all kinds by their numbers, but one
        seed at least, who has what perhaps nobody else has.
        """
        downloaders = len(self.downloaders)
        if kind:
            return [(0, wanted)]
        partial, others = len(self.partial_seeds), downloaders - visible
        seeds = share_of(wanted, len(self.seeds), partial + others, random)
        wanted -= seeds
        uploaders = share_of(wanted, partial, others, random)
        return [(SEED, seeds), (PARTIAL_SEED, uploaders), (0, wanted - uploaders)]

    def draw(
        self, kind: int, visible: bool, own: bytes, wanted: int, random: Callable[[], float]
    ) -> bytes:
        """Return packed addresses by their `shares`, but never `own`."""
        if self.partial_seeds is not self._nobody and not kind:
            shares = self.shares(kind, visible, wanted, random)
            return b"".join([self.ring_of(of).window(count, own, random) for of, count in shares])
        # As above, in less time: this is what most announces ask for.
        width = self.layout.width
        seeds = (self._nobody if kind else self.seeds).addresses
        others = self.downloaders.addresses
        length = wanted * width
        if length >= len(seeds) + len(others):
            return without(own, b"".join((seeds, others)), width)
        if not seeds:
            return bytes(self.downloaders.window(wanted, own, random))
        num_seeds, num_others = len(seeds) // width, len(others) // width
        rest = num_others - visible
        # There are more than are wanted, so this leaves no more than there are for the others.
        share = int(wanted * num_seeds / (num_seeds + rest) + random()) or 1
        if share > num_seeds or share > wanted:
            share = min(num_seeds, wanted)
        seeds_length = share * width
        length -= seeds_length
        seeds_at, at = int(random() * num_seeds) * width, int(random() * num_others) * width
        piece, others_piece = seeds[seeds_at : seeds_at + seeds_length], others[at : at + length]
        if len(piece) < seeds_length:
            piece += seeds[: seeds_length - len(piece)]
        if len(others_piece) < length:
            others_piece += others[: length - len(others_piece)]
        packed = b"".join((piece, others_piece))
        if packed.rfind(own) >= 0:
            piece = self.seeds.piece_without(own, seeds_at, seeds_length)
            return b"".join((piece, self.downloaders.piece_without(own, at, length)))
        return packed

    def draw_ids(
        self, kind: int, visible: bool, asker: bytes, wanted: int, random: Callable[[], float]
    ) -> dict[bytes, bytes]:
        """Return peer ids by packed address, as `draw` draws them, but never the asker's."""
        drawn: dict[bytes, bytes] = {}
        for of, number in self.shares(kind, visible, wanted, random):
            ring = self.ring_of(of)
            # One more, in exchange for the asker.
            found = [self._entry_at(of, slot) for slot in ring.slots(number + 1, random)]
            others = [entry for entry in found if entry.peer_id != asker]
            drawn.update((entry.address, entry.peer_id) for entry in others[:number])
        return drawn

    def _hash_of(self, peer_id: bytes | bytearray) -> int:
        return crc32(peer_id.translate(self.cipher)) * self.factor >> HASH_AT & _HASH_BITS

    def _bucket(self, id_hash: int) -> bytearray:
        place = id_hash & self.mask
        if place >= len(self.buckets):
            place &= self.mask >> 1
        return self.buckets[place]

    def _split(self) -> None:
        """Give half of the next bucket in turn to a new one."""
        new_place = len(self.buckets)
        if new_place > self.mask:
            self.mask = self.mask * 2 + 1
        old_place = new_place & (self.mask >> 1)
        old, hash_of, mask = self.buckets[old_place], self._hash_of, self.mask
        id_at, stride = self.layout.id_at, self.layout.stride
        halves = bytearray(), bytearray()
        for start in range(0, len(old), stride):
            entry = old[start : start + stride]
            peer_id = entry[id_at : id_at + PEER_ID_LENGTH]
            halves[hash_of(peer_id) & mask == new_place].extend(entry)
        self.buckets[old_place] = halves[0]
        self.buckets.append(halves[1])

    def _merge(self) -> None:
        """Undo the last split."""
        last = self.buckets.pop()
        place = len(self.buckets)
        self.buckets[place & (self.mask >> 1)] += last
        if place == (self.mask >> 1) + 1:
            self.mask >>= 1

    def _ring_to_fill(self, kind: int) -> PeerRing:
        ring = self.ring_of(kind)
        if ring is self._nobody:
            ring = PeerRing(self.layout.width)
            if kind == SEED:
                self.seeds = ring
            elif kind == PARTIAL_SEED:
                self.partial_seeds = ring
            else:
                self.downloaders = ring
        return ring

    def _leave_ring(self, kind: int, slot: int) -> None:
        ring = self.ring_of(kind)
        moved = ring.remove(slot)
        if moved is not None:
            bucket, at = self._at_slot(moved, kind, len(ring))
            bucket[at : at + KIND_AT] = slot.to_bytes(KIND_AT, "big")

    def _entry_at(self, kind: int, slot: int) -> PeerEntry:
        return self.entry(*self._at_slot(self.ring_of(kind).hash_at(slot), kind, slot))

    def _at_slot(self, id_hash: int, kind: int, slot: int) -> tuple[bytearray, int]:
        """Return where the entry is that says it is in this slot of this kind's ring."""
        bucket, stride = self._bucket(id_hash), self.layout.stride
        sought = slot.to_bytes(KIND_AT, "big") + bytes([kind])
        at = bucket.index(sought)
        while at % stride:
            at = bucket.index(sought, at + 1)
        return bucket, at


def share_of(wanted: int, these: int, others: int, random: Callable[[], float]) -> int:
    """Return how many of `wanted` are to be of these: by their numbers, the broken part by chance.

    One at least, if there is any and anybody is wanted; more if there are not enough others.
    """
    if not these or not wanted:
        return 0
    share = max(1, int(wanted * these / (these + others) + random()))
    return min(these, wanted, max(share, wanted - others))


_NOBODY = {6: PeerRing(6), 18: PeerRing(18)}
