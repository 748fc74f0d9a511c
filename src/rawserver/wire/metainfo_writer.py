"""Torrent files written (BEP 3, 12, 19, 27): new ones, and changes to existing ones.

An info dictionary is bytes everywhere here, since its SHA-1 is the torrent's identity: it is
encoded once and then only copied. The keys are those that libtorrent writes for version 1 without
attributes, so the same files in the same order give the same info-hash.
"""

from collections.abc import Mapping, Sequence
from enum import Enum

from rawserver.wire.bencode import Limits, decode_document, encode
from rawserver.wire.metainfo import LARGEST_METAINFO, parse_metainfo
from rawserver.wire.piece_size import check_piece_size
from rawserver.wire.safe_path import clean_path, quote
from rawserver.wire.tracker_url import url_problem


class _Keep(Enum):
    KEEP = "keep"


KEEP = _Keep.KEEP
"""The value of an option of edit_metainfo that is not to be changed."""


def build_info(
    name: str,
    files: int | Sequence[tuple[tuple[str, ...], int]],
    piece_length: int,
    pieces: bytes,
    private: bool = False,
    source: str = "",
) -> bytes:
    """Return the bencoded info dictionary.

    `files`: the length in bytes of a single file called `name`; or, for a folder called `name`,
    (path parts below it, length) of each file in the order in which they were hashed. `pieces`: 20
    bytes of SHA-1 for each piece. Raises ValueError for what no reader would accept, and for a name
    that would reach other machines changed (a backslash, a control character, not UTF-8).
    """
    check_piece_size(piece_length)
    _check_path((name,))
    info: dict[str, object] = {"name": name, "piece length": piece_length, "pieces": pieces}
    if isinstance(files, int):
        total = info["length"] = files
        lengths = [files]
    else:
        for path, _ in files:
            _check_path(path)
        info["files"] = [{"length": length, "path": path} for path, length in files]
        lengths = [length for _, length in files]
        total = sum(lengths)
        if len({path for path, _ in files}) < len(files):
            raise ValueError("two files have the same path")
    if not total or min(lengths) < 0:
        raise ValueError("the torrent would hold no bytes at all, or a length is negative")
    needed = -(-total // piece_length) * 20
    if len(pieces) != needed:
        raise ValueError(f"{total} bytes need {needed} bytes of piece hashes, not {len(pieces)}")
    if private:
        info["private"] = 1
    if source:
        info["source"] = source
    return encode(info)


def build_metainfo(
    info: bytes,
    trackers: Sequence[Sequence[str]] = (),
    comment: str = "",
    created_by: str = "",
    creation_date: int | None = None,
    url_list: Sequence[str] = (),
) -> bytes:
    """Return a .torrent file around `info`, from build_info or another torrent's `raw_info`.

    `trackers`: tiers of URLs (BEP 12). `creation_date`: seconds since 1970. Raises ValueError for a
    URL that readers would leave out, MetainfoError if the whole is no valid torrent file (such as
    one that is too large).
    """
    top: dict[bytes, bytes] = {b"info": bytes(info)}
    _set_trackers(top, trackers)
    _set_text(top, b"comment", comment)
    _set_text(top, b"created by", created_by)
    if creation_date is not None:
        top[b"creation date"] = encode(creation_date)
    _set_url_list(top, url_list)
    return _join(top)


def edit_metainfo(
    raw: bytes,
    *,
    trackers: Sequence[Sequence[str]] | _Keep = KEEP,
    comment: str | _Keep = KEEP,
    created_by: str | _Keep = KEEP,
    creation_date: int | _Keep | None = KEEP,
    url_list: Sequence[str] | _Keep = KEEP,
    name: str | _Keep = KEEP,
    private: bool | _Keep = KEEP,
    source: str | _Keep = KEEP,
) -> bytes:
    """Return the .torrent file `raw` with some fields changed; empty, False, None remove a field.

    `name`, `private` and `source` are part of the info dictionary: if one of them really changes,
    so does the info-hash, which makes it another torrent. Otherwise the info dictionary's bytes,
    and all fields that we do not know, stay exactly as they stand. Raises MetainfoError if `raw`
    or the result is no valid torrent file, ValueError for a value that readers would not accept.
    """
    parse_metainfo(raw)
    top = _values(raw)
    if trackers is not KEEP:
        _set_trackers(top, trackers)
    for key, text in ((b"comment", comment), (b"created by", created_by)):
        if text is not KEEP:
            _set_text(top, key, text)
    if creation_date is not KEEP:
        top.pop(b"creation date", None)
        if creation_date is not None:
            top[b"creation date"] = encode(creation_date)
    if url_list is not KEEP:
        _set_url_list(top, url_list)
    top[b"info"] = _edit_info(top[b"info"], name, private, source)
    return _join(top)


def _edit_info(info: bytes, name: str | _Keep, private: bool | _Keep, source: str | _Keep) -> bytes:
    values = _values(info)
    before = dict(values)
    if name is not KEEP:
        _check_path((name,))
        _set_text(values, b"name", name)
    if source is not KEEP:
        _set_text(values, b"source", source)
    if private is not KEEP:
        values.pop(b"private", None)
        if private:
            values[b"private"] = encode(1)
    # Joined again, the keys would be sorted: another info-hash for a file that was unsorted.
    return info if values == before else _join_values(values)


def _values(dictionary: bytes) -> dict[bytes, bytes]:
    """Return each key of a bencoded dictionary with the bytes of its value as they stand."""
    document = decode_document(dictionary, Limits(size=LARGEST_METAINFO), allow_unsorted=True)
    return {key: dictionary[start:end] for key, (start, end) in document.spans.items()}


def _join_values(values: Mapping[bytes, bytes]) -> bytes:
    return b"d%se" % b"".join(encode(key) + values[key] for key in sorted(values))


def _join(top: Mapping[bytes, bytes]) -> bytes:
    raw = _join_values(top)
    parse_metainfo(raw)
    return raw


def _set_text(values: dict[bytes, bytes], key: bytes, text: str) -> None:
    # The old text would otherwise still be what readers prefer.
    values.pop(key + b".utf-8", None)
    values.pop(key, None)
    if text:
        values[key] = encode(text)


def _set_trackers(top: dict[bytes, bytes], trackers: Sequence[Sequence[str]]) -> None:
    top.pop(b"announce", None)
    top.pop(b"announce-list", None)
    tiers = [list(tier) for tier in trackers if tier]
    urls = [url for tier in tiers for url in tier]
    _check_urls(urls)
    if urls:
        top[b"announce"] = encode(urls[0])
    # As libtorrent does it, and for readers that take a list for a sign of several trackers.
    if len(urls) > 1:
        top[b"announce-list"] = encode(tiers)


def _set_url_list(top: dict[bytes, bytes], urls: Sequence[str]) -> None:
    top.pop(b"url-list", None)
    _check_urls(urls)
    if urls:
        top[b"url-list"] = encode(urls[0] if len(urls) == 1 else list(urls))


def _check_urls(urls: Sequence[str]) -> None:
    for url in urls:
        if problem := url_problem(url):
            raise ValueError(problem)


def _check_path(path: tuple[str, ...]) -> None:
    if clean_path(path).parts != tuple(path):
        raise ValueError(f"{quote('/'.join(path))} cannot be shared under this name: rename it")
