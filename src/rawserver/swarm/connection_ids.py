"""Connection ids of a UDP tracker (BEP 15): proof that an asker is where his address says.

Nothing is remembered of who has one. An id is a keyed hash of the address and of the time, so that
only who can read what is sent to an address can ask in its name.
"""

from __future__ import annotations

from hashlib import blake2s
from hmac import compare_digest

# BEP 15: a tracker should accept an id until two minutes after it was given out. One that was given
# out at the end of such a time is good for all of the next; another for up to twice as long.
SLOT_SECONDS = 120.0
SECRET_LENGTH = 32
ID_LENGTH = 8
# Ids of askers that were heard of last, as one who asks for an id comes back with it at once. Some
# 10 MiB; who forges addresses makes them be worked out again, no more.
MOST_KNOWN = 65536


class ConnectionIds:
    """Gives out ids and knows its own again; `set_time` before either.

    An id is bound to the ip alone: a translator of addresses may give each datagram another port.
    """

    def __init__(self, secret: bytes) -> None:
        """`secret` is SECRET_LENGTH bytes that nobody can foresee."""
        if len(secret) != SECRET_LENGTH:
            raise ValueError(f"the secret of connection ids has {SECRET_LENGTH} bytes")
        self._keyed = blake2s(key=secret, digest_size=ID_LENGTH)
        self._slot = -1
        self._known: dict[bytes, bytes] = {}
        # `known_id(ip, default)` is the present id of who was heard of lately: most ids that come
        # are the same, and who handles many can see that without a call of `accepts`.
        self.known_id = self._known.get

    def set_time(self, now: float) -> None:
        """Say that it is so many seconds, of a clock that never goes back."""
        slot = int(now // SLOT_SECONDS)
        if slot != self._slot:
            self._slot = slot
            self._known.clear()

    def issue(self, ip: bytes) -> bytes:
        """Return the id of an address of 4 or 16 bytes."""
        known = self._known.get(ip)
        if known is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[ip] = self._work_out(ip, self._slot)
        return known

    def accepts(self, connection_id: bytes, ip: bytes) -> bool:
        """Whether the id was given to the address, no longer ago than ids are good for."""
        known = self._known.get(ip)
        if known is not None and compare_digest(known, connection_id):
            return True
        # Its last bit says which of the two times it is of, and so spares the other's hash.
        if (connection_id[-1] ^ self._slot) & 1:
            return compare_digest(self._work_out(ip, self._slot - 1), connection_id)
        return known is None and compare_digest(self.issue(ip), connection_id)

    def _work_out(self, ip: bytes, slot: int) -> bytes:
        digest = self._keyed.copy()
        digest.update(slot.to_bytes(8, "big", signed=True) + ip)
        number = int.from_bytes(digest.digest(), "big") & ~1 | slot & 1
        return number.to_bytes(ID_LENGTH, "big")
