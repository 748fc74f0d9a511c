"""How a tracker keeps one peer: an entry of 37 bytes (IPv4) or 49 (IPv6).

What an announce repeats unchanged (kind, key, address, peer id) stands together, so that one search
finds the peer and shows that nothing about it is new. It ends with the peer id, for the last bytes
are what a search compares first, and those of peer ids differ.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

# What a peer is in its swarm. One byte, together with HIDDEN.
DOWNLOADER = 0
SEED = 1
# One that has all it wants, but not all (BEP 21).
PARTIAL_SEED = 2
# Counted, but not handed out: it listens nowhere, or has not been reached yet.
HIDDEN = 4

# What is remembered of a peer. One byte.
COMPLETED = 1  # its download has been counted
VERIFIED = 2  # it was reached at this address
UNREACHABLE = 4  # it was not reached at this address

PEER_ID_LENGTH = 20
# Where things are in each entry, in bytes.
KIND_AT = 4
KEY_AT = 5
ADDRESS_AT = 9


class PeerEntry(NamedTuple):
    """A peer. `slot` is its place in a ring, `key` a checksum (0: none), `age` a tick."""

    slot: int
    kind: int
    key: int
    address: bytes
    peer_id: bytes
    flags: int
    age: int


class PeerLayout:
    """The entries of one address family, all numbers big-endian.

    `entry` packs a PeerEntry: slot (4 bytes), kind (1), key (4), address as in compact replies
    (`width`: 6 or 18), peer id (20), flags (1), age (1). `name` packs what an announce repeats:
    kind, key, ip, port, peer id; `parts` unpacks that, ip and port as an address.
    """

    __slots__ = (
        "age_after_kind", "age_at", "entry", "id_at", "name", "nowhere", "parts", "stride", "width",
    )  # fmt: skip

    def __init__(self, ip_length: int) -> None:
        self.width = ip_length + 2
        self.entry = Struct(f">IBI{self.width}s20sBB")
        self.name = Struct(f">BI{ip_length}sH20s")
        self.parts = Struct(f">BI{self.width}s20s")
        self.stride = self.entry.size
        self.id_at = ADDRESS_AT + self.width
        self.age_at = self.stride - 1
        self.age_after_kind = self.age_at - KIND_AT
        # An address that no peer is handed out with.
        self.nowhere = bytes(self.width)


IPV4 = PeerLayout(4)
IPV6 = PeerLayout(16)
