"""A request as a server reads it (RFC 9110, RFC 9112)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rawserver.engine import SingleSocket
from rawserver.engine.addresses import peer_of

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_REFUSING_WEIGHTS = ("q=0", "q=0.0", "q=0.00", "q=0.000")


class HttpRequest:
    """`path` and `query` are as they stand in the URL, percent-encoded.

    Names of `headers` are in lower case; several headers of one name are one list (RFC 9110,
    section 5.3). They are shared by requests that have the same: not to be changed. `ip` and `port`
    are those of the client, `version` is its HTTP's. `connection` is None for one made by hand.
    """

    # A plain class: a frozen dataclass costs an announce more than all else of its head.
    __slots__ = (
        "body", "connection", "headers", "ip", "method", "path", "port", "query", "version",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        query: bytes,
        ip: str,
        port: int,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes = b"",
        version: str = "1.1",
        connection: SingleSocket | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.ip = ip
        self.port = port
        self.headers = headers
        self.body = body
        self.version = version
        self.connection = connection

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{self.query.decode('latin-1')}" if self.query else self.path

    @property
    def local_ip(self) -> str:
        """The address that the client reached; empty where that cannot be told any more."""
        if self.connection is None:
            return ""
        try:
            return peer_of(self.connection.getsockname())[0]
        except OSError:
            return ""  # macOS, where the client has gone already

    def accepts_gzip(self) -> bool:
        """Tell whether a reply may be compressed with gzip (RFC 9110, section 12.5.3)."""
        for part in self.headers.get("accept-encoding", "").lower().split(","):
            coding, _, weight = part.partition(";")
            if coding.strip() in ("gzip", "*"):
                return weight.replace(" ", "") not in _REFUSING_WEIGHTS
        return False
