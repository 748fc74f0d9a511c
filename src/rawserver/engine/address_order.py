"""In which order the addresses of a name are tried."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from rawserver.engine.network import SocketAddress

# One answer of a name server has room for thousands of addresses, and whoever owns the name says
# what is in it. Nobody who serves a name needs so many to be found.
MOST_ADDRESSES = 64


def in_order_of_attempts(addresses: Iterable[SocketAddress]) -> deque[SocketAddress]:
    """Return resolved addresses with their families taking turns, each address once.

    As RFC 8305, section 4 says, with a First Address Family Count of 1: where one family leads
    nowhere, the other is tried next. Within a family the resolver's order (RFC 6724) is kept.
    """
    families: dict[int, deque[SocketAddress]] = {}
    for address in dict.fromkeys(addresses):
        families.setdefault(address.family, deque()).append(address)
    ordered: deque[SocketAddress] = deque()
    while families and len(ordered) < MOST_ADDRESSES:
        for family, of_family in list(families.items()):
            ordered.append(of_family.popleft())
            if not of_family:
                del families[family]
    while len(ordered) > MOST_ADDRESSES:
        ordered.pop()
    return ordered
