"""What a .torrent says (BEP 3, 12, 19, 27, 47), checked so that the rest can trust it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rawserver.wire.bencode import BencodeError, Limits, Value, decode_document
from rawserver.wire.safe_path import UnsafePathError, clean_path, quote, separate_paths
from rawserver.wire.tracker_url import url_problem

# The limits of libtorrent, so that what it makes and takes, we take: a bigger bitfield or document
# is a stranger's way to our memory.
LARGEST_METAINFO = 10_000_000
MOST_PIECES = 2_097_152
# A piece is held in memory until its hash is known.
LARGEST_PIECE_LENGTH = 512 * 1024 * 1024
# File offsets are signed 64-bit numbers in every system call.
LARGEST_TOTAL_SIZE = 2**63 - 1
# Each tracker is announced to; each web seed may be. Honest lists have some dozens.
MOST_URLS = 1000
# A warning is for a person to read.
MOST_WARNINGS = 100

_LIMITS = Limits(size=LARGEST_METAINFO)
_Dictionary = dict[bytes, Value]


class MetainfoError(ValueError):
    """The .torrent cannot be used. One line for a person: what is wrong with it."""


class MetainfoFile(NamedTuple):
    """One file. `path`: safe parts below the torrent's folder. `length`, `offset`: bytes.

    `offset`: where its first byte is in the torrent. `padding`: zeros, never stored (BEP 47).
    """

    path: tuple[str, ...]
    length: int
    offset: int
    padding: bool = False


@dataclass(frozen=True, slots=True)
class Metainfo:
    """A .torrent, checked.

    `info_hash`: 20 bytes, SHA-1 of the info dictionary as it stands in `raw`. `piece_length`,
    `total_size`: bytes. `pieces`: 20 bytes for each piece. `single`: one file without a folder, its
    path is `(name,)`. `trackers`: tiers of URLs (BEP 12). `creation_date`: seconds since 1970.
    `info`, `raw_info`: the whole info dictionary, decoded and as bytes. `warnings`: what was odd
    but harmless, one line each.
    """

    info_hash: bytes
    name: str
    piece_length: int
    pieces: bytes = field(repr=False)
    files: tuple[MetainfoFile, ...]
    single: bool
    total_size: int
    private: bool
    trackers: tuple[tuple[str, ...], ...]
    comment: str
    created_by: str
    creation_date: int | None
    source: str
    url_list: tuple[str, ...]
    warnings: tuple[str, ...]
    raw: bytes = field(repr=False)
    raw_info: bytes = field(repr=False)
    info: Mapping[bytes, Value] = field(repr=False, compare=False)

    @property
    def num_pieces(self) -> int:
        return len(self.pieces) // 20

    def piece_size(self, index: int) -> int:
        """Return the bytes in piece `index`; the last may be shorter. Raises IndexError."""
        self._check(index)
        return min(self.piece_length, self.total_size - index * self.piece_length)

    def piece_hash(self, index: int) -> bytes:
        """Return the SHA-1 of piece `index`, 20 bytes. Raises IndexError."""
        self._check(index)
        return self.pieces[index * 20 : index * 20 + 20]

    def _check(self, index: int) -> None:
        if not 0 <= index < self.num_pieces:
            raise IndexError(f"piece {index} of {self.num_pieces}")


def parse_metainfo(data: bytes, windows: bool = False) -> Metainfo:
    """Read a .torrent file.

    `windows`: also change names that only Windows cannot store. Raises MetainfoError, and nothing
    else, whatever the bytes are.
    """
    try:
        document = decode_document(data, _LIMITS, allow_unsorted=True)
    except BencodeError as error:
        raise MetainfoError(f"not a torrent file: {error}") from error
    top = document.value
    if not isinstance(top, dict):
        raise MetainfoError("not a torrent file: it is not a dictionary")
    info = top.get(b"info")
    if not isinstance(info, dict):
        raise MetainfoError("not a torrent file: it has no info dictionary")
    warnings = _Warnings()
    if document.unsorted:
        warnings.add("the keys of a dictionary are not sorted")
    start, end = document.spans[b"info"]
    raw = bytes(data)
    return _Parser(top, info, warnings, windows).build(raw, raw[start:end])


class _Warnings:
    """Lines for a person, as many as one reads, and how many more there were."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def add(self, line: str) -> None:
        self.count += 1
        if len(self.lines) < MOST_WARNINGS:
            self.lines.append(line)

    def result(self) -> tuple[str, ...]:
        more = self.count - len(self.lines)
        return (*self.lines, f"and {more} more warnings") if more else tuple(self.lines)


class _Parser:
    def __init__(
        self, top: _Dictionary, info: _Dictionary, warnings: _Warnings, windows: bool
    ) -> None:
        self.top = top
        self.info = info
        self.warnings = warnings
        self.windows = windows

    def build(self, raw: bytes, raw_info: bytes) -> Metainfo:
        pieces = self.pieces()
        piece_length = self.piece_length()
        name = self.name()
        single, files = self.files(name)
        total_size = files[-1].offset + files[-1].length
        _check_sizes(total_size, piece_length, len(pieces) // 20)
        return Metainfo(
            info_hash=hashlib.sha1(raw_info).digest(),
            name=name,
            piece_length=piece_length,
            pieces=pieces,
            files=files,
            single=single,
            total_size=total_size,
            private=self.info.get(b"private", 0) not in (0, b"", b"0"),
            trackers=self.trackers(),
            comment=self.text(self.top, b"comment"),
            created_by=self.text(self.top, b"created by"),
            creation_date=self.creation_date(),
            source=self.text(self.info, b"source"),
            url_list=self.url_list(),
            warnings=self.warnings.result(),
            raw=raw,
            raw_info=raw_info,
            info=self.info,
        )

    def pieces(self) -> bytes:
        pieces = self.info.get(b"pieces")
        if pieces is None and b"meta version" in self.info:
            raise MetainfoError("a torrent of version 2 only (BEP 52), which is not supported yet")
        if not isinstance(pieces, bytes):
            raise MetainfoError("the info dictionary has no piece hashes")
        if len(pieces) % 20:
            raise MetainfoError(f"the piece hashes are {len(pieces)} bytes, not a multiple of 20")
        if len(pieces) // 20 > MOST_PIECES:
            raise MetainfoError(
                f"{len(pieces) // 20} pieces are more than the limit of {MOST_PIECES}"
            )
        return pieces

    def piece_length(self) -> int:
        piece_length = self.info.get(b"piece length")
        if not isinstance(piece_length, int):
            raise MetainfoError("the info dictionary has no piece length")
        if not 1 <= piece_length <= LARGEST_PIECE_LENGTH:
            raise MetainfoError(
                f"the piece length {piece_length} is not between 1 and {LARGEST_PIECE_LENGTH}"
            )
        return piece_length

    def name(self) -> str:
        name = self.info.get(b"name.utf-8")
        if not isinstance(name, bytes):
            name = self.info.get(b"name")
        if not isinstance(name, bytes):
            raise MetainfoError("the info dictionary has no name")
        return self.clean([name], "the torrent's name")[0]

    def clean(self, components: list[bytes], what: str) -> tuple[str, ...]:
        try:
            path = clean_path(components, self.windows)
        except UnsafePathError as error:
            raise MetainfoError(f"{what} is refused: {error}") from error
        for note in path.notes:
            self.warnings.add(note)
        return path.parts

    def files(self, name: str) -> tuple[bool, tuple[MetainfoFile, ...]]:
        listed = self.info.get(b"files")
        if listed is None:
            return True, (MetainfoFile((name,), _length(self.info, quote(name)), 0),)
        if not isinstance(listed, list) or not listed:
            raise MetainfoError("the list of files is empty or no list")
        if b"length" in self.info:
            self.warnings.add("both a length and a list of files: the list counts")
        files: list[MetainfoFile] = []
        offset = 0
        for number, entry in enumerate(listed):
            file = self.file(entry, number, offset)
            files.append(file)
            offset += file.length
        try:
            paths, notes = separate_paths(
                [file.path for file in files], [file.padding for file in files]
            )
        except UnsafePathError as error:
            raise MetainfoError(str(error)) from error
        for note in notes:
            self.warnings.add(note)
        return False, tuple(
            file if file.path is path else file._replace(path=path)
            for file, path in zip(files, paths, strict=True)
        )

    def file(self, entry: Value, number: int, offset: int) -> MetainfoFile:
        if not isinstance(entry, dict):
            raise MetainfoError(f"file {number} is not a dictionary")
        components = entry.get(b"path.utf-8")
        if not isinstance(components, list) or not components:
            components = entry.get(b"path")
        names: list[bytes] = []
        for component in components if isinstance(components, list) else ():
            if not isinstance(component, bytes):
                raise MetainfoError(f"file {number} has a path part that is not a string")
            names.append(component)
        if not names:
            raise MetainfoError(f"file {number} has no path")
        attributes = entry.get(b"attr", b"")
        kinds = attributes if isinstance(attributes, bytes) else b""
        if b"l" in kinds:
            # A link is a stranger's way out of the folder. Its entry is stored as the (empty)
            # ordinary file that it is to clients which do not know BEP 47.
            self.warnings.add(f"file {number} is a symbolic link, which is not created")
        # BEP 47 recommends this name, and some clients pad without the attribute.
        padding = b"p" in kinds or (len(names) == 2 and names[0] == b".pad" and names[1].isdigit())
        path = self.clean(names, f"file {number}")
        if b"l" in kinds and b"length" not in entry:
            return MetainfoFile(path, 0, offset, padding)
        return MetainfoFile(path, _length(entry, f"file {number}"), offset, padding)

    def trackers(self) -> tuple[tuple[str, ...], ...]:
        seen: set[str] = set()
        tiers: list[tuple[str, ...]] = []
        announce_list = self.top.get(b"announce-list")
        for tier in announce_list if isinstance(announce_list, list) else ():
            # Some makers leave out the inner list.
            urls: list[Value] = tier if isinstance(tier, list) else [tier]
            tiers.append(tuple(self.urls(urls, "tracker", seen)))
        if not any(tiers) and b"announce" in self.top:
            tiers = [tuple(self.urls([self.top[b"announce"]], "tracker", seen))]
        return tuple(tier for tier in tiers if tier)

    def url_list(self) -> tuple[str, ...]:
        listed = self.top.get(b"url-list", [])
        urls: list[Value] = listed if isinstance(listed, list) else [listed]
        return tuple(self.urls(urls, "web seed", set()))

    def urls(self, values: list[Value], kind: str, seen: set[str]) -> Iterator[str]:
        for value in values:
            if value == b"":
                continue
            url = value.strip().decode("utf-8", "replace") if isinstance(value, bytes) else ""
            problem = url_problem(url)
            if problem:
                self.warnings.add(f"a {kind} was left out: {problem}")
            elif url not in seen and len(seen) >= MOST_URLS:
                self.warnings.add(f"a {kind} was left out: more than {MOST_URLS}")
            elif url not in seen:
                seen.add(url)
                yield url

    def text(self, dictionary: _Dictionary, key: bytes) -> str:
        for name in (key + b".utf-8", key):
            value = dictionary.get(name)
            if isinstance(value, bytes):
                return value.decode("utf-8", "replace")
        if key in dictionary:
            self.warnings.add(f"the {key.decode()} is not text")
        return ""

    def creation_date(self) -> int | None:
        date = self.top.get(b"creation date")
        if date is None:
            return None
        # Until the year 9999, which is as far as a calendar can show.
        if isinstance(date, int) and 0 <= date < 253_402_300_800:
            return date
        self.warnings.add("the creation date is not a time")
        return None


def _length(dictionary: _Dictionary, what: str) -> int:
    length = dictionary.get(b"length")
    if not isinstance(length, int):
        raise MetainfoError(f"{what} has no length")
    if not 0 <= length <= LARGEST_TOTAL_SIZE:
        raise MetainfoError(f"the length {length} of {what} is not between 0 and 2**63 - 1")
    return length


def _check_sizes(total_size: int, piece_length: int, num_pieces: int) -> None:
    if total_size > LARGEST_TOTAL_SIZE:
        raise MetainfoError(f"the files hold {total_size} bytes, more than 2**63 - 1")
    if total_size == 0:
        raise MetainfoError("the torrent holds no bytes at all")
    needed = -(-total_size // piece_length)
    if needed != num_pieces:
        raise MetainfoError(
            f"{total_size} bytes in pieces of {piece_length} need {needed} hashes, not {num_pieces}"
        )
