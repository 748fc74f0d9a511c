"""Whose request it is that a proxy passes on (RFC 7239, and X-Forwarded-For before it)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Literal

from rawserver.engine import SingleSocket
from rawserver.engine.addresses import peer_of
from rawserver.swarm.address_set import AddressSet, address_range
from rawserver.wire.compact_peers import ip_to_bytes, ip_to_text

ProxyHeaderName = Literal["x-forwarded-for", "forwarded"]
# A chain of proxies has two or three; whoever sends more has them looked at no further.
MAX_HOPS = 32


def parse_networks(texts: Iterable[str]) -> AddressSet:
    """Read addresses and networks ("192.0.2.1", "10.0.0.0/8", "2001:db8::/32"); else ValueError."""
    return AddressSet([address_range(text.strip()) for text in texts])


class TrustedProxies:
    """Proxies that tell the truth. What others say of who they ask for does not count.

    `header` is the one that they write. The other is not looked at: a proxy passes it on as the
    client wrote it.
    """

    def __init__(self, networks: AddressSet, header: ProxyHeaderName = "x-forwarded-for") -> None:
        self._networks = networks
        self._header = header
        # A proxy asks again and again.
        self.trusts = lru_cache(maxsize=1024)(self._trusts)

    def client_of(self, ip: str, headers: Mapping[str, str]) -> str:
        """Return the address that is behind `ip`, from which a request with these headers came.

        It is the last one that was not added by a proxy that we trust: whatever stands before it
        the client may have written itself. What makes no sense ends the chain where it stands.
        """
        client = ip
        for hop in self._hops(headers.get(self._header, "")):
            if not hop or not self.trusts(client):
                break
            client = hop
        return client

    def _hops(self, value: str) -> Iterator[str]:
        """Yield the addresses of the chain, the nearest first; "" for one that is none."""
        if self._header == "forwarded":
            nodes = [_node(element) for element in _elements(value)]
        else:
            nodes = value.split(",")
        for node in reversed(nodes[-MAX_HOPS:]):
            yield _address(node.strip())

    def admits(self, connection: SingleSocket) -> bool:
        """Tell whether a connection with a PROXY header comes from one whom we trust."""
        if connection.proxy_header is None or not self._networks:
            return True
        try:
            ip, _ = peer_of(connection.socket().getpeername())
        except OSError:
            return False  # it has gone already
        return self.trusts(ip)

    def _trusts(self, ip: str) -> bool:
        try:
            return ip_to_bytes(ip) in self._networks
        except ValueError:
            return False


def _elements(forwarded: str) -> list[str]:
    """Split a header at the commas that are not quoted (RFC 7239, section 4)."""
    return [part for part in _split(forwarded, ",") if part.strip()]


def _node(element: str) -> str:
    """Return what stands after `for=`."""
    for pair in _split(element, ";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            value = value.strip()
            return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return ""


def _split(text: str, separator: str) -> list[str]:
    parts, start, quoted = [], 0, False
    for place, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _address(node: str) -> str:
    """Return the address of "192.0.2.1", "192.0.2.1:4711", "2001:db8::1" or "[2001:db8::1]:4711".

    "" for what is none, such as "unknown" and "_hidden" (RFC 7239, section 6).
    """
    if node.startswith("["):
        node = node[1:].partition("]")[0]
    elif node.count(":") == 1:
        node = node.partition(":")[0]
    try:
        return ip_to_text(ip_to_bytes(node))
    except ValueError:
        return ""
