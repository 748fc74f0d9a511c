"""What a context, or the whole loop, has of connections and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rawserver.engine.errors import TooManyConnections

if TYPE_CHECKING:
    from rawserver.engine.rate_limit import RateLimit


class Counted(Protocol):
    """What is counted of a connection."""

    received: int
    sent: int


class Account:
    """Counts connections that come and go; `rate` and `max_connections` limit them.

    `received` and `sent` are the bytes of those that went, as far as they passed while they were
    here: what live ones have so far is theirs to tell.
    """

    __slots__ = ("connections", "made", "max_connections", "rate", "received", "sent")

    def __init__(self, max_connections: int | None = None, rate: RateLimit | None = None) -> None:
        self.max_connections = max_connections
        self.rate = rate
        self.connections = 0
        # All that ever came.
        self.made = 0
        self.received = 0
        self.sent = 0

    @property
    def is_full(self) -> bool:
        """Whether no connection may come."""
        return self.max_connections is not None and self.connections >= self.max_connections

    def check_room(self) -> None:
        """Raise TooManyConnections if this is full."""
        if self.is_full:
            raise TooManyConnections(f"the context has {self.connections} connections already")

    def enter(self, connection: Counted) -> None:
        """Count a connection; what it has so far is not this account's."""
        self.connections += 1
        self.made += 1
        self.received -= connection.received
        self.sent -= connection.sent

    def leave(self, connection: Counted) -> None:
        """Count a connection no more, and keep its bytes."""
        self.connections -= 1
        self.received += connection.received
        self.sent += connection.sent
