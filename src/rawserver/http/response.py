"""A reply as a server writes it (RFC 9112, section 4)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from http import HTTPStatus

# Below this a compressed body saves no packet.
SMALLEST_TO_COMPRESS = 1024
# gzip's framing in zlib's terms.
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """`content_type` of the body; `headers` beside those that the server adds itself."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)

    def to_bytes(
        self, *, head_only: bool, gzip: bool, keep_alive: bool, old: bool = False
    ) -> bytes:
        """Return the reply for the wire.

        `head_only` leaves the body out (HEAD), `gzip` allows it to be compressed, `old` answers a
        client of HTTP/1.0, which must be told that a connection stays open. ValueError for a header
        with a line break, which would begin a header of somebody else's choice.
        """
        body = self.body
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}"]
        if gzip and len(body) >= SMALLEST_TO_COMPRESS:
            packer = zlib.compressobj(wbits=_GZIP_WINDOW)
            packed = packer.compress(body) + packer.flush()
            if len(packed) < len(body):
                body = packed
                lines += ["Content-Encoding: gzip", "Vary: Accept-Encoding"]
        lines.append(f"Content-Type: {self.content_type}")
        lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if not keep_alive:
            lines.append("Connection: close")
        elif old:
            lines.append("Connection: keep-alive")
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header has a line break")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head if head_only else head + body


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
