"""How often each address may do something: a bucket of tokens for each, in one number."""

from __future__ import annotations

# 4 or 8 bytes and a float each: 120 bytes in all, of which two generations are kept.
MAX_ADDRESSES = 200_000
# Who has one IPv6 address has all of its /64 (RFC 6177, section 2).
_IPV6_PREFIX_BYTES = 8


class AddressRates:
    """Lets each address pass `rate` times a second, and `burst` times at once.

    An IPv6 /64 counts as one address. All that is kept of one is the time at which its bucket will
    be full again (the "theoretical arrival time" of ATM's leaky bucket, ITU-T I.371), and a full
    one need not be kept: so those not seen for the time a bucket takes to fill are forgotten, all
    at once and at no loss. Above `max_addresses` the older half is forgotten sooner: then some get
    a full bucket before their time, and nobody is refused who should not be.
    """

    def __init__(self, rate: float, burst: float, max_addresses: int = MAX_ADDRESSES) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError("a rate must be above 0, and a burst 1 at least")
        self._seconds = 1.0 / rate
        self._fill_seconds = burst / rate
        self._max_generation = max(max_addresses // 2, 1)
        self._full_at: dict[bytes, float] = {}
        self._older: dict[bytes, float] = {}
        self._turned_at = 0.0

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._full_at) + len(self._older)

    def take(self, ip: bytes, now: float) -> float:
        """Take a token of an address; returns 0.0, or after how many seconds there will be one.

        `ip` is packed, `now` in seconds of a clock that never jumps.
        """
        if now - self._turned_at >= self._fill_seconds:
            self._turn(now)
        if len(ip) == 16:
            ip = ip[:_IPV6_PREFIX_BYTES]
        full_at = self._full_at.get(ip)
        if full_at is None:
            full_at = self._older.get(ip, now)
        full_at = max(full_at, now) + self._seconds
        # Rounding must not cost the last of a burst.
        missing = full_at - now - self._fill_seconds
        if missing > 1e-6:
            return missing
        if len(self._full_at) >= self._max_generation and ip not in self._full_at:
            self._turn(now)
        self._full_at[ip] = full_at
        return 0.0

    def _turn(self, now: float) -> None:
        """Forget the older ones."""
        idle = now - self._turned_at >= 2 * self._fill_seconds
        self._older = {} if idle else self._full_at
        self._full_at = {}
        self._turned_at = now
