"""Connection ids that UDP trackers gave us (BEP 15), kept as long as they are good."""

from __future__ import annotations

Address = tuple[str, int]

# BEP 15: a client can use an id until one minute after it has received it.
LIFETIME_SECONDS = 60.0
# Each is of a tracker that was asked within the last minute; thousands are asked by nobody.
MOST_IDS = 1000


class UdpConnectionIds:
    """The ids by the addresses that gave them. `now` is in seconds."""

    def __init__(self) -> None:
        # In the order in which they were given.
        self._given: dict[Address, tuple[bytes, float]] = {}

    def __len__(self) -> int:
        return len(self._given)

    def get(self, address: Address, now: float) -> bytes | None:
        """Return an address's id, if it is still good."""
        connection_id, given_at = self._given.get(address, (None, 0.0))
        return connection_id if now - given_at < LIFETIME_SECONDS else None

    def put(self, address: Address, connection_id: bytes, now: float) -> None:
        """Note what an address gave now."""
        self._given.pop(address, None)
        self._given[address] = connection_id, now
        oldest = next(iter(self._given))
        if len(self._given) > MOST_IDS or now - self._given[oldest][1] >= LIFETIME_SECONDS:
            del self._given[oldest]

    def drop(self, address: Address) -> None:
        """Forget an id, because the tracker does not take it."""
        self._given.pop(address, None)
