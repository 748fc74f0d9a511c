"""What clients say in their heads beside the URL, read once: all of one program say the same.

An announce comes whole in one read and says after its URL what the same program said before. Only
its first line is looked at then; what followed has been read by httptools the first time, with
another URL before it, which does not change what the rest means.
"""

from __future__ import annotations

from collections.abc import Mapping

from rawserver.http.request_reader import (
    MAX_URL_BYTES,
    ReadRequest,
    RequestError,
    RequestReader,
)

# Programs that ask, times versions, times names of this host. Who says something else each time
# pushes others out, and costs what reading everything costs.
MAX_KNOWN = 512
# A longer one is read anew each time. All that are known have half a megabyte at most.
MAX_KNOWN_BYTES = 1024
# What may stand in a URL after its first slash; httptools takes the same (RFC 3986 takes less).
_VISIBLE = bytes(range(0x21, 0x7F))
_METHOD = b"GET /"
_VERSION = b" HTTP/1."


class KnownHead:
    """What stands after the URL of a request without a body."""

    __slots__ = ("headers", "keeps_alive", "version")

    def __init__(self, headers: Mapping[str, str], version: str, keeps_alive: bool) -> None:
        self.headers = headers
        self.version = version
        self.keeps_alive = keeps_alive


class KnownHeads:
    """The heads that a server knows, the oldest forgotten first."""

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHead] = {}

    def __len__(self) -> int:
        return len(self._known)

    def read(self, data: bytes) -> tuple[bytes, KnownHead] | None:
        """Return the URL and the rest if this is one whole GET and nothing else, else None.

        What it returns is what a RequestReader finds; None only says that one must be asked.
        """
        place = data.find(_VERSION)
        head = self._known.get(data[place:])
        if head is None:
            head = self._learn(data[place:])
            if head is None:
                return None
        url = data[4:place]
        if (
            not data.startswith(_METHOD)
            or len(url) > MAX_URL_BYTES
            or url.translate(None, _VISIBLE)
        ):
            return None
        return url, head

    def _learn(self, rest: bytes) -> KnownHead | None:
        # The first empty line must end it: whatever follows is another request.
        if len(rest) > MAX_KNOWN_BYTES or rest.find(b"\r\n\r\n") != len(rest) - 4:
            return None
        found: list[ReadRequest] = []
        reader = RequestReader(found.append)
        try:
            reader.feed(b"GET /" + rest)
        except RequestError:
            return None
        if len(found) != 1 or reader.is_amid or found[0].body:
            return None
        (request,) = found
        if "upgrade" in request.headers:
            return None  # the parser stops at some of those, whatever follows
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        head = KnownHead(request.headers, request.version, request.keeps_alive)
        self._known[rest] = head
        return head
