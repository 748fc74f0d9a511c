"""Peers that may be handed out: their addresses in a ring, a piece of which is a reply."""

from __future__ import annotations

from collections.abc import Callable

HASH_LENGTH = 4


class PeerRing:
    """Packed addresses one after the other, each at its slot, and the hashes of their peer ids.

    A reply is a piece from a random place on: it costs no work for each peer, and every peer is
    in as many of the pieces as any other. `width` is that of an address, 6 or 18 bytes.
    """

    __slots__ = ("addresses", "hashes", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.addresses = bytearray()
        self.hashes = bytearray()

    def __len__(self) -> int:
        return len(self.addresses) // self.width

    def add(self, address: bytes, id_hash: int) -> int:
        """Take a peer in; return its slot."""
        slot = len(self.addresses) // self.width
        self.addresses += address
        self.hashes += id_hash.to_bytes(HASH_LENGTH, "big")
        return slot

    def remove(self, slot: int) -> int | None:
        """Take a peer out; the last one gets its slot. Return the hash of that one, if there is."""
        width = self.width
        last_address, last_hash = self.addresses[-width:], self.hashes[-HASH_LENGTH:]
        del self.addresses[-width:]
        del self.hashes[-HASH_LENGTH:]
        if slot * width == len(self.addresses):
            return None
        self.addresses[slot * width : (slot + 1) * width] = last_address
        self.hashes[slot * HASH_LENGTH : (slot + 1) * HASH_LENGTH] = last_hash
        return int.from_bytes(last_hash, "big")

    def hash_at(self, slot: int) -> int:
        """Return the hash of the peer id of the peer in a slot."""
        return int.from_bytes(self.hashes[slot * HASH_LENGTH : (slot + 1) * HASH_LENGTH], "big")

    def window(self, count: int, own: bytes, random: Callable[[], float]) -> bytearray:
        """Return `count` addresses, or all if there are fewer, but never `own`.

        Not to be changed: it may be the ring itself.
        """
        addresses, width = self.addresses, self.width
        size, length, start = len(addresses), count * self.width, 0
        piece = addresses
        if length < size:
            start = int(random() * (size // width)) * width
            piece = addresses[start : start + length]
            if len(piece) < length:
                piece += addresses[: length - len(piece)]
        if own in piece:
            return self._without(own, start, length)
        return piece

    def slots(self, count: int, random: Callable[[], float]) -> list[int]:
        """Return the slots of `count` peers, or all, as `window` does."""
        number = len(self)
        start = int(random() * number) if count < number else 0
        return [slot % number for slot in range(start, start + min(count, number))]

    def _without(self, own: bytes, start: int, length: int) -> bytearray:
        # One more than wanted, in exchange for the one that is cut out.
        addresses, width = self.addresses, self.width
        enough = min(length + width, len(addresses))
        piece = addresses[start : start + enough]
        piece += addresses[: enough - len(piece)]
        at = piece.find(own)
        while at >= 0:
            if at % width == 0:
                del piece[at : at + width]
            else:
                at += 1  # the end of one address and the beginning of the next
            at = piece.find(own, at)
        del piece[length:]
        return piece
