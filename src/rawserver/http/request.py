"""A request as a server reads it (RFC 9110, RFC 9112)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """`path` and `query` are as they stand in the URL, percent-encoded.

    Names of `headers` are in lower case; of several headers of one name the last counts. `ip` and
    `port` are those of the client, `local_ip` is the address that it reached, `version` its HTTP's.
    """

    method: str
    path: str
    query: bytes
    ip: str
    port: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    local_ip: str = ""
    version: str = "1.1"

    def accepts_gzip(self) -> bool:
        """Tell whether a reply may be compressed with gzip (RFC 9110, section 12.5.3)."""
        for part in self.headers.get("accept-encoding", "").lower().split(","):
            coding, _, weight = part.partition(";")
            if coding.strip() in ("gzip", "*"):
                return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
        return False
