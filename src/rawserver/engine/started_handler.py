"""What `async_start_connection` gives a connection for a handler until it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rawserver.engine.handler import Address

if TYPE_CHECKING:
    from rawserver.engine.single_socket import SingleSocket


class StartedHandler:
    """Tells a handler of BitTorrent 4.2 and later of a connection that it started.

    There `connection_made` was for those that came in, and `connection_started` for these.
    """

    __slots__ = ("_handler",)

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    def connection_made(self, connection: SingleSocket) -> None:
        """Leave the connection to the handler, and tell it by the name that it knows."""
        handler = self._handler
        connection.handler = handler
        name = "connection_started" if hasattr(handler, "connection_started") else "connection_made"
        tell = getattr(handler, name, None)
        if tell is not None:
            tell(connection)

    def connection_failed(self, address: Address, error: BaseException) -> None:
        """Pass on that it was not made."""
        failed = getattr(self._handler, "connection_failed", None)
        if failed is not None:
            failed(address, error)
