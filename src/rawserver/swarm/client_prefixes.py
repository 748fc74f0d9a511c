"""Which programs may ask a tracker, by how their peer ids begin (BEP 20)."""

from __future__ import annotations

from collections.abc import Iterable

from rawserver.wire.list_lines import ListError, list_lines
from rawserver.wire.safe_path import quote

# A peer id has 20 bytes, and the last of them are chance.
MAX_PREFIX_LENGTH = 20


class ClientPrefixes:
    """A set of beginnings of peer ids, such as `-TR` or `-qB45`."""

    __slots__ = ("_prefixes",)

    def __init__(self, prefixes: Iterable[bytes] = ()) -> None:
        # `startswith` goes through all of them in one call.
        self._prefixes = tuple(dict.fromkeys(prefixes))
        if b"" in self._prefixes:
            raise ValueError("an empty beginning is one of every peer id")

    def __len__(self) -> int:
        return len(self._prefixes)

    def __contains__(self, peer_id: object) -> bool:
        """Tell whether a peer id begins with one of them."""
        return isinstance(peer_id, bytes) and peer_id.startswith(self._prefixes)


def parse_client_prefixes(data: bytes) -> ClientPrefixes:
    """Read a list of one beginning a line. Raises ListError."""
    prefixes = []
    for number, text in list_lines(data):
        try:
            prefixes.append(client_prefix(text))
        except ValueError as error:
            raise ListError(number, str(error)) from None
    return ClientPrefixes(prefixes)


def client_prefix(text: str) -> bytes:
    """Read one beginning; ValueError if no peer id could have it."""
    if not (text.isascii() and text.isprintable()) or not 0 < len(text) <= MAX_PREFIX_LENGTH:
        raise ValueError(
            f"{quote(text)} is no beginning of a peer id: 1 to {MAX_PREFIX_LENGTH} characters, "
            "printable ASCII"
        )
    return text.encode("ascii")
