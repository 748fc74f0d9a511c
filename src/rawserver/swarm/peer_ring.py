"""Peers that may be handed out: their addresses in a ring, a piece of which is a reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

HASH_LENGTH = 4

AnyBytes = TypeVar("AnyBytes", bytes, bytearray)


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
        """Return `count` addresses, or all if there are fewer, but never `own`."""
        addresses, width = self.addresses, self.width
        length, number = count * width, len(addresses) // width
        if count >= number:
            return without(own, addresses[:], width)
        at = int(random() * number) * width
        piece = addresses[at : at + length]
        if len(piece) < length:
            piece += addresses[: length - len(piece)]
        # rfind takes two thirds of the time of find, and half that of `in`.
        return self.piece_without(own, at, length) if piece.rfind(own) >= 0 else piece

    def piece_without(self, own: bytes, at: int, length: int) -> bytearray:
        """Return so many bytes from a place on, and after the end from the beginning on.

        If `own` is among them, the address that follows is there instead.
        """
        enough = min(length + self.width, len(self.addresses))
        piece = self.addresses[at : at + enough]
        piece += self.addresses[: enough - len(piece)]
        return without(own, piece, self.width)[:length]

    def slots(self, count: int, random: Callable[[], float]) -> list[int]:
        """Return the slots of `count` peers, or all, as `window` does."""
        number = len(self)
        start = int(random() * number) if count < number else 0
        return [slot % number for slot in range(start, start + min(count, number))]


def without(own: bytes, packed: AnyBytes, width: int) -> AnyBytes:
    """Return packed addresses without one of them, however often it is there."""
    at = packed.rfind(own)
    while at >= 0:
        # Or it is the end of one address and the beginning of the next.
        if at % width == 0:
            packed = packed[:at] + packed[at + width :]
        at = packed.rfind(own, 0, at + width - 1)
    return packed
