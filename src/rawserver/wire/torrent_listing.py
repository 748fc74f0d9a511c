"""What a tracker lists of a .torrent: its info-hashes, its name, and what its owner says of it."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from rawserver.wire.announce_response import MAX_TEXT_LENGTH
from rawserver.wire.bencode import BencodeError, Document, Limits, Value, decode_document
from rawserver.wire.metainfo import (
    LARGEST_METAINFO,
    LARGEST_TOTAL_SIZE,
    Metainfo,
    MetainfoError,
    parse_metainfo,
)
from rawserver.wire.safe_path import UnsafePathError, clean_path

_LIMITS = Limits(size=LARGEST_METAINFO)
_FAILURE, _WARNING = b"failure reason", b"warning message"


class TorrentListing(NamedTuple):
    """`info_hashes`: 20 bytes each; a hybrid torrent (BEP 52) has two. `size`: bytes.

    `failure`, `warning`: one line each, empty if the .torrent has no such keys (bttrack's
    `allowed_controls`).
    """

    info_hashes: tuple[bytes, ...]
    name: str
    size: int
    failure: str = ""
    warning: str = ""


def read_listing(data: bytes) -> TorrentListing:
    """Read a .torrent of version 1, 2 or both. Raises MetainfoError, and nothing else."""
    try:
        metainfo = parse_metainfo(data)
    except MetainfoError:
        document = _decode(data)
        if document is None or not _is_version_2_only(document):
            raise
        listing = _version_2(data, document)
    else:
        listing = TorrentListing(_info_hashes(metainfo), metainfo.name, metainfo.total_size)
        # Few have them, and to look for them takes as long as all the rest.
        document = _decode(data) if _FAILURE in data or _WARNING in data else None
    top = None if document is None else document.value
    if isinstance(top, dict):
        failure, warning = _line(top.get(_FAILURE)), _line(top.get(_WARNING))
        listing = listing._replace(failure=failure, warning=warning)
    return listing


def _decode(data: bytes) -> Document | None:
    try:
        return decode_document(data, _LIMITS, allow_unsorted=True)
    except BencodeError:
        return None


def _info_hashes(metainfo: Metainfo) -> tuple[bytes, ...]:
    if metainfo.info.get(b"meta version") == 2:
        return metainfo.info_hash, _hash_of_version_2(metainfo.raw_info)
    return (metainfo.info_hash,)


def _hash_of_version_2(raw_info: bytes) -> bytes:
    """BEP 52: trackers and peers are asked by the first 20 bytes of it."""
    return hashlib.sha256(raw_info).digest()[:20]


def _is_version_2_only(document: Document) -> bool:
    top = document.value
    info = top.get(b"info") if isinstance(top, dict) else None
    return isinstance(info, dict) and info.get(b"meta version") == 2 and b"pieces" not in info


def _version_2(data: bytes, document: Document) -> TorrentListing:
    top = document.value
    assert isinstance(top, dict)
    info = top[b"info"]
    assert isinstance(info, dict)
    name = info.get(b"name")
    if not isinstance(name, bytes):
        raise MetainfoError("the info dictionary has no name")
    try:
        (shown,) = clean_path([name]).parts
    except UnsafePathError as error:
        raise MetainfoError(f"the torrent's name is refused: {error}") from error
    start, end = document.spans[b"info"]
    info_hash = _hash_of_version_2(data[start:end])
    return TorrentListing((info_hash,), shown, _size_of_tree(info.get(b"file tree")))


def _size_of_tree(tree: Value | None) -> int:
    """Add up the files of a tree: a name leads to a folder, or, by way of "", to a file."""
    waiting = [tree]
    size = 0
    while waiting:
        entry = waiting.pop()
        if not isinstance(entry, dict) or not entry:
            raise MetainfoError("the file tree has something else than files and folders")
        for name, value in entry.items():
            if name:
                waiting.append(value)
                continue
            length = value.get(b"length") if isinstance(value, dict) else None
            if not isinstance(length, int) or not 0 <= length <= LARGEST_TOTAL_SIZE:
                raise MetainfoError("the file tree has a file without a length")
            size += length
    if size > LARGEST_TOTAL_SIZE:
        raise MetainfoError(f"the files hold {size} bytes, more than 2**63 - 1")
    return size


def _line(value: Value | None) -> str:
    """Return a text as it is sent to clients, which show it to a person."""
    if not isinstance(value, bytes):
        return ""
    text = value[: 4 * MAX_TEXT_LENGTH].decode("utf-8", "replace")
    shown = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(shown.split())[:MAX_TEXT_LENGTH]
