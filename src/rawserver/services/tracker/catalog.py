"""The torrents that a tracker knows more of than their info-hash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

TorrentDone = Callable[[bytes | None], None]


class Listed(NamedTuple):
    """A torrent of a catalogue; `size` in bytes.

    `failure` is what every announce is refused with, `warning` what it is answered beside its
    peers; empty for neither (bttrack's `allowed_controls`).
    """

    name: str
    size: int
    failure: str = ""
    warning: str = ""


class Catalog(Protocol):
    """Looks torrents up."""

    def __contains__(self, info_hash: object) -> bool: ...

    def __iter__(self) -> Iterator[bytes]:
        """Yield the info-hashes of all that is listed."""

    def find(self, info_hash: bytes) -> Listed | None:
        """Return what is known of a torrent, None if it is not listed."""

    def torrent(self, info_hash: bytes, done: TorrentDone) -> None:
        """Call `done` once with the .torrent, None if there is none to give.

        At once, or later from the loop: it may have to be read.
        """
