"""How long ago peers announced, in one byte each."""

from __future__ import annotations

# A lifetime has so many ticks: who is silent is forgotten up to two of them late, 3 %.
TICKS_IN_LIFETIME = 64
_TICKS_IN_BYTE = 256
# After so many without a single call nobody is left who is not too old; later, a byte would no
# longer tell who is.
_TICKS_TO_BE_SURE = 128


class PeerAges:
    """A clock of ticks that a byte holds. A peer's age is the tick of its last announce.

    Peers are forgotten within a lifetime after they are too old: until then no byte comes round.
    """

    __slots__ = ("_number", "ends_at", "fresh", "tick", "tick_seconds")

    def __init__(self, lifetime_seconds: float) -> None:
        self.tick_seconds = lifetime_seconds / TICKS_IN_LIFETIME
        self._number = -_TICKS_TO_BE_SURE
        # The present tick and when it ends, in seconds.
        self.tick = 0
        self.ends_at = float("-inf")
        # The ticks of those who are not too old.
        self.fresh = b""

    def advance(self, now: float) -> bool:
        """Go on to the tick of `now`; return whether all peers from before are too old."""
        number = int(now // self.tick_seconds)
        passed = number - self._number
        if passed <= 0:
            return False
        self._number = number
        self.tick = number % _TICKS_IN_BYTE
        self.ends_at = (number + 1) * self.tick_seconds
        self.fresh = bytes(
            [(number - age) % _TICKS_IN_BYTE for age in range(TICKS_IN_LIFETIME + 1)]
        )
        return passed >= _TICKS_TO_BE_SURE

    def tick_of(self, seconds: float) -> int | None:
        """Return the tick of so long ago; None if that is too long."""
        ticks = int(seconds // self.tick_seconds)
        return None if ticks > TICKS_IN_LIFETIME else (self.tick - ticks) % _TICKS_IN_BYTE
