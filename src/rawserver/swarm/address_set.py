"""Networks of addresses, of both families, and whether an address is of one of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from heapq import merge

from rawserver.wire.compact_peers import ip_to_bytes
from rawserver.wire.list_lines import ListError, list_lines
from rawserver.wire.safe_path import quote

_MAPPED_BITS = 96

# Sorted at a time: 2 ms, for which no other thread can do anything.
_RUN = 4096

# The first and the last address, both packed, both of one family.
Range = tuple[bytes, bytes]


class AddressSet:
    """A set of ranges of packed addresses (4 or 16 bytes) that never changes.

    Ranges that touch are one. A look-up is a binary search: 100,000 networks cost about 1 us.
    """

    __slots__ = ("_families",)

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        by_length: dict[int, list[Range]] = {4: [], 16: []}
        for first, last in ranges:
            by_length[len(first)].append((first, last))
        self._families = {length: _merged(found) for length, found in by_length.items()}

    def __len__(self) -> int:
        """Return the number of ranges."""
        return sum(len(starts) for starts, _ in self._families.values())

    def __contains__(self, ip: object) -> bool:
        if not isinstance(ip, bytes) or len(ip) not in self._families:
            return False
        starts, ends = self._families[len(ip)]
        place = bisect_right(starts, ip) - 1
        return place >= 0 and ip <= ends[place]


def parse_addresses(data: bytes) -> AddressSet:
    """Read a list of one network, address or range (`first-last`) a line. Raises ListError."""
    ranges = []
    for number, text in list_lines(data):
        try:
            ranges.append(address_range(text))
        except ValueError as error:
            raise ListError(number, str(error)) from None
    return AddressSet(ranges)


def address_range(text: str) -> Range:
    """Read `192.0.2.0/24`, `2001:db8::1` or `192.0.2.3-192.0.2.9`.

    An IPv4 address that is written as IPv6 is the IPv4 address. ValueError, which quotes the text,
    if it is nothing of these, or a network with a host's address in it: what was meant?
    """
    if "-" in text:
        first, last = (_address(part.strip(" \t"), text) for part in text.split("-", 1))
        if len(first) != len(last) or first > last:
            raise ValueError(f"{quote(text)} is a range whose end does not follow its beginning")
        return first, last
    address, slash, bits = text.partition("/")
    first = _address(address, text)
    return _network(first, address, bits, text) if slash else (first, first)


def _address(text: str, whole: str) -> bytes:
    try:
        if "%" not in text:  # a scope, which means something on one machine only
            return ip_to_bytes(text)
    except ValueError:
        pass
    raise ValueError(f"{quote(whole)} is no address, network or range of addresses") from None


def _network(first: bytes, address: str, text: str, whole: str) -> Range:
    bits = int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else -1
    if len(first) == 4 and ":" in address:
        bits -= _MAPPED_BITS
    size = 8 * len(first)
    if not 0 <= bits <= size:
        raise ValueError(f"{quote(whole)} has no number of bits behind its slash, 0 to {size}")
    rest = (1 << size - bits) - 1
    number = int.from_bytes(first, "big")
    if number & rest:
        raise ValueError(f"{quote(whole)} is a host's address within a network, not a network's")
    return first, (number | rest).to_bytes(len(first), "big")


def _merged(ranges: list[Range]) -> tuple[list[bytes], list[bytes]]:
    """Return where ranges begin and end, in order, those that overlap or touch as one."""
    starts: list[bytes] = []
    ends: list[bytes] = []
    runs = [sorted(ranges[start : start + _RUN]) for start in range(0, len(ranges), _RUN)]
    for first, last in merge(*runs):
        if ends and int.from_bytes(first, "big") <= int.from_bytes(ends[-1], "big") + 1:
            ends[-1] = max(ends[-1], last)
        else:
            starts.append(first)
            ends.append(last)
    return starts, ends
