"""A tracker that is asked without a network."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from kit.fake_web import FakeWeb
from rawserver.http.request import HttpRequest
from rawserver.services.tracker import Listed, Tracker
from rawserver.services.tracker.catalog import TorrentDone
from rawserver.wire.bencode import decode

HASH = bytes(range(20))
SEED = b"-XX0001-seedseedseed"
GETTER = b"-XX0001-gettergetter"

ADDRESS = b"\xcb\x00\x71\x01"  # 203.0.113.1
PORT = (6881).to_bytes(2, "big")


class Names:
    """A catalogue that knows names."""

    def __init__(self, names: dict[bytes, str]) -> None:
        self._names = names

    def __contains__(self, info_hash: object) -> bool:
        return info_hash in self._names

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._names)

    def find(self, info_hash: bytes) -> Listed | None:
        name = self._names.get(info_hash)
        return None if name is None else Listed(name, 1000)

    def torrent(self, info_hash: bytes, done: TorrentDone) -> None:
        done(None)


class Desk(FakeWeb):
    """A loop for a tracker that is asked without a network."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        super().__init__(lambda url: None)
        self.address = address
        self.contexts: list[object] = []

    def primary_address(self) -> str:
        return self.address

    def add_context(self, context: object) -> None:
        self.contexts.append(context)


def ask(tracker: Tracker, path: str, query: str = "", ip: str = "203.0.113.9") -> Any:
    """Ask for a path; returns the response."""
    request = HttpRequest("GET", path, query.encode(), ip, 50_000)
    return tracker.http.respond(request, lambda response: None)


def announce(
    tracker: Tracker, peer_id: bytes = GETTER, ip: str = "203.0.113.9", **fields: Any
) -> dict[bytes, Any]:
    """Announce; returns the reply as it is read back."""
    fields = {
        "info_hash": HASH, "peer_id": peer_id, "port": 6881, "uploaded": 0, "downloaded": 0,
        "left": 100, "compact": 1,
    } | fields  # fmt: skip
    query = urlencode({name: value for name, value in fields.items() if value is not None})
    response = ask(tracker, "/announce", query, ip)
    assert response.status == 200
    reply = decode(response.body)
    assert isinstance(reply, dict)
    return reply


def seed(tracker: Tracker, ip: str = "203.0.113.1", **fields: Any) -> dict[bytes, Any]:
    return announce(tracker, SEED, ip, left=0, **fields)
