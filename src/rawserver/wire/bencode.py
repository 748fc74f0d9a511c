"""Bencoding (BEP 3): strict, iterative, limited in everything that a stranger could make grow."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

Value: TypeAlias = "int | bytes | list[Value] | dict[bytes, Value]"

# Only ASCII digits, no sign but a minus before a number other than zero, no leading zeros, no
# blanks: what int() accepts besides (" 1", "+1", "1_0") gives one value many spellings.
_INTEGER = re.compile(rb"i(0|-?[1-9][0-9]*)e")
_LENGTH = re.compile(rb"(0|[1-9][0-9]*):")

_END = 0x65  # e
_DICTIONARY = 0x64  # d
_LIST = 0x6C  # l
_INTEGER_START = 0x69  # i

# What encode() goes down: as deep as decode() does by default, so a cycle is refused, not followed.
_ENCODE_DEPTH = 100


class BencodeError(ValueError):
    """The bytes are not canonical bencoding, or beyond a limit. Says what and at which byte."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at byte {offset}")
        self.reason = reason
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Limits:
    """What a decoder accepts.

    `depth`: containers inside one another. `tokens`: values, keys and containers in all.
    `size`: bytes of the whole document. `integer_digits`: digits of one integer.
    """

    # Real documents nest fewer than 10 deep; a file tree (BEP 52) is as deep as its folders are.
    depth: int = 100
    # Each token costs about 60 bytes of memory, so this is some 200 MB at the very worst. The most
    # tokens that 10 MB of honest file list can hold is 2.5 million.
    tokens: int = 3_000_000
    # The largest .torrent that other clients accept.
    size: int = 10_000_000
    # 2**64 has 20 digits. int() is quadratic in digits, and no field is wider than 64 bits.
    integer_digits: int = 20


@dataclass(frozen=True, slots=True)
class Document:
    """A decoded value, with where it stood.

    `spans`: for a dictionary, the (start, end) byte offsets of each of its values (empty for other
    values). `unsorted`: keys of some dictionary were out of order (only if that was allowed).
    """

    value: Value
    spans: Mapping[bytes, tuple[int, int]]
    unsorted: bool


DEFAULT_LIMITS = Limits()


def decode(data: bytes | bytearray | memoryview, limits: Limits = DEFAULT_LIMITS) -> Value:
    """Return the one value that `data` holds, with keys as bytes. Raises BencodeError."""
    return decode_document(data, limits).value


def decode_document(
    data: bytes | bytearray | memoryview,
    limits: Limits = DEFAULT_LIMITS,
    allow_unsorted: bool = False,
) -> Document:
    """Decode `data` and tell where the values of its outermost dictionary stand.

    `allow_unsorted`: accept dictionaries whose keys are out of order, as some .torrent files in the
    wild have them. A key that comes twice is always an error. Raises BencodeError.
    """
    if len(data) > limits.size:
        raise BencodeError(
            f"{len(data)} bytes are more than the limit of {limits.size}", limits.size
        )
    return _Decoder(bytes(data), limits, allow_unsorted).run()


class _Decoder:
    """One pass over `data`. The open containers are a list, not Python's stack."""

    __slots__ = ("allow_unsorted", "data", "limits", "spans", "unsorted")

    def __init__(self, data: bytes, limits: Limits, allow_unsorted: bool) -> None:
        self.data = data
        self.limits = limits
        self.allow_unsorted = allow_unsorted
        self.spans: dict[bytes, tuple[int, int]] = {}
        self.unsorted = False

    def run(self) -> Document:
        data, limits = self.data, self.limits
        end, position, tokens = len(data), 0, 0
        # A container's key in its parent, and where it began, wait here until it is complete.
        stack: list[tuple[list[Value] | dict[bytes, Value] | None, bytes, int]] = []
        container: list[Value] | dict[bytes, Value] | None = None
        key = b""
        while True:
            if position >= end:
                raise BencodeError("the data ends within a value", end)
            kind = data[position]
            if kind == _END and container is not None:
                value: Value = container
                container, key, began = stack.pop()
                position += 1
            else:
                tokens += 1
                if tokens > limits.tokens:
                    raise BencodeError(f"more than {limits.tokens} values", position)
                if type(container) is dict:
                    tokens += 1
                    key, position = self.read_key(container, key, position)
                    if position >= end:
                        raise BencodeError("the data ends after a key", end)
                    kind = data[position]
                began = position
                if kind == _DICTIONARY or kind == _LIST:
                    if len(stack) >= limits.depth:
                        raise BencodeError(f"more than {limits.depth} deep", position)
                    stack.append((container, key, began))
                    container = {} if kind == _DICTIONARY else []
                    key = b""
                    position += 1
                    continue
                value, position = self.read_scalar(kind, position)
            if container is None:
                break
            if type(container) is dict:
                container[key] = value
                if len(stack) == 1:
                    self.spans[key] = (began, position)
            else:
                container.append(value)  # type: ignore[union-attr]
        if position != end:
            raise BencodeError(f"{end - position} bytes too many after the value", position)
        return Document(value, self.spans, self.unsorted)

    def read_key(
        self, container: dict[bytes, Value], previous: bytes, position: int
    ) -> tuple[bytes, int]:
        if not 0x30 <= self.data[position] <= 0x39:
            raise BencodeError("a dictionary key that is not a string", position)
        key, after = self.read_string(position)
        if container and (key <= previous or self.unsorted):
            if key in container:
                raise BencodeError(f"the key {_quote(key)} comes twice", position)
            if key < previous:
                if not self.allow_unsorted:
                    raise BencodeError(f"the key {_quote(key)} is out of order", position)
                self.unsorted = True
        return key, after

    def read_scalar(self, kind: int, position: int) -> tuple[int | bytes, int]:
        if 0x30 <= kind <= 0x39:
            return self.read_string(position)
        if kind == _INTEGER_START:
            return self.read_integer(position)
        self.refuse("a value cannot begin with", position)

    def read_string(self, position: int) -> tuple[bytes, int]:
        match = _LENGTH.match(self.data, position)
        if match is None:
            self.refuse(
                "a string's length is not a canonical number, or the data ends in", position
            )
        start = match.end()
        # Compared by digits first: int() of very many digits is slow, and refused by Python.
        if start - position > 20 or int(match[1]) > len(self.data) - start:
            raise BencodeError("a string is longer than the data", position)
        after = start + int(match[1])
        return self.data[start:after], after

    def read_integer(self, position: int) -> tuple[int, int]:
        match = _INTEGER.match(self.data, position)
        if match is None:
            self.refuse("an integer is not canonical, or the data ends in", position)
        digits = match[1]
        if len(digits) - (digits[0] == 0x2D) > self.limits.integer_digits:
            raise BencodeError(
                f"an integer has more than {self.limits.integer_digits} digits", position
            )
        return int(digits), match.end()

    def refuse(self, reason: str, position: int) -> NoReturn:
        raise BencodeError(f"{reason} {_quote(self.data[position : position + 12])}", position)


def _quote(text: bytes) -> str:
    """Text for one line of an error, however long or odd it is."""
    shown = repr(text[:40])[1:]
    return shown + ("..." if len(text) > 40 else "")


def encode(value: object) -> bytes:
    """Return the canonical bencoding of int, str (as UTF-8), bytes-like, list, tuple, dictionary.

    Keys are bytes or str, sorted as bytes. Raises TypeError for anything else (a bool is refused:
    it has no bencoding, and False would silently become 0), ValueError for a key that comes twice
    or for more than 100 containers inside one another.
    """
    out: list[bytes] = []
    _encode(value, out, 0)
    return b"".join(out)


def _encode(value: object, out: list[bytes], depth: int) -> None:
    if isinstance(value, str):
        value = value.encode("utf-8")
    if isinstance(value, bytes | bytearray):
        out.append(b"%d:" % len(value))
        out.append(bytes(value))
    elif isinstance(value, memoryview):
        out.append(b"%d:" % value.nbytes)
        out.append(value.tobytes())
    elif isinstance(value, int) and not isinstance(value, bool):
        out.append(b"i%de" % value)
    elif isinstance(value, list | tuple | Mapping):
        if depth >= _ENCODE_DEPTH:
            raise ValueError(f"more than {_ENCODE_DEPTH} containers inside one another")
        out.append(b"d" if isinstance(value, Mapping) else b"l")
        if isinstance(value, Mapping):
            _encode_items(value, out, depth + 1)
        else:
            for element in value:
                _encode(element, out, depth + 1)
        out.append(b"e")
    else:
        raise TypeError(f"{type(value).__name__} has no bencoding")


def _encode_items(value: Mapping[object, object], out: list[bytes], depth: int) -> None:
    items: dict[bytes, object] = {}
    for key, element in value.items():
        if not isinstance(key, str | bytes):
            raise TypeError(f"a dictionary key is str or bytes, not {type(key).__name__}")
        name = key.encode("utf-8") if isinstance(key, str) else key
        if name in items:
            raise ValueError(f"the key {_quote(name)} comes twice")
        items[name] = element
    for name in sorted(items):
        _encode(name, out, depth)
        _encode(items[name], out, depth)
