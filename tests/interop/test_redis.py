"""Trackers that share their peers through a real Redis server."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_from_bytes

import pytest

from interop.peers.redis_server import RedisServer
from kit.loop import run_until
from rawserver import RawServer
from rawserver.http.client import HttpClient, HttpError, HttpReply
from rawserver.services.tracker import Tracker
from rawserver.services.tracker.redis_registry import RedisRegistry
from rawserver.wire.announce_response import AnnounceResponse, decode_announce_response
from rawserver.wire.bencode import decode

HASH = bytes(range(20))
TIMEOUT = 0.4


class Machine:
    """A tracker on a loop of its own, as on a machine of its own."""

    def __init__(self, url: str) -> None:
        self.reports: list[str] = []
        self.raw_server = RawServer(errorfunc=lambda level, text: self.reports.append(text))
        self.registry = RedisRegistry(self.raw_server, url, timeout=TIMEOUT)
        self.tracker = Tracker(self.raw_server, self.registry)
        self.tracker.listen(0, "127.0.0.1")
        self.client = HttpClient(self.raw_server)

    def start_get(self, path: str, got: list[bytes]) -> None:
        def done(reply: HttpReply | None, error: HttpError | None) -> None:
            assert reply is not None, error
            got.append(reply.body)

        self.client.get(f"http://127.0.0.1:{self.tracker.port}/{path}", done)

    def get(self, path: str) -> bytes:
        got: list[bytes] = []
        self.start_get(path, got)
        run_until(self.raw_server, lambda: got)
        return got[0]

    def announce(self, number: int, **fields: Any) -> AnnounceResponse:
        return decode_announce_response(self.get(announce_path(number, **fields)))

    def counts(self) -> tuple[int, int, int]:
        """Scrape: complete, downloaded, incomplete."""
        scraped: Any = decode(self.get(f"scrape?info_hash={quote_from_bytes(HASH)}"))
        file = scraped[b"files"].get(HASH, {})
        return tuple(file.get(name, 0) for name in (b"complete", b"downloaded", b"incomplete"))

    def wait_connected(self) -> None:
        run_until(self.raw_server, lambda: self.registry.is_connected)

    def wait_away(self) -> None:
        run_until(self.raw_server, lambda: not self.registry.is_connected)

    def close(self) -> None:
        self.registry.close()
        self.raw_server.close()


def announce_path(number: int, **fields: Any) -> str:
    values = {
        "info_hash": HASH, "peer_id": number.to_bytes(20, "big"), "port": 1000 + number,
        "left": 1, "uploaded": 0, "downloaded": 0, "compact": 1, "ip": f"192.0.2.{number}",
    } | fields  # fmt: skip
    return "announce?" + "&".join(
        f"{name}={quote_from_bytes(value) if isinstance(value, bytes) else quote(str(value))}"
        for name, value in values.items()
    )


def ports(response: AnnounceResponse) -> set[int]:
    assert not response.failure
    return {peer.port - 1000 for peer in response.peers}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def machine() -> Iterator[Callable[..., Machine]]:
    made: list[Machine] = []

    def make(url: str, connected: bool = True) -> Machine:
        made.append(Machine(url))
        if connected:
            made[-1].wait_connected()
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_two_trackers_share_their_peers(
    server: RedisServer, machine: Callable[..., Machine]
) -> None:
    here, there = machine(server.url), machine(server.url)
    here.announce(1, left=0, event="completed")
    response = there.announce(2)
    assert ports(response) == {1}
    assert (response.complete, response.incomplete, response.downloaded) == (1, 1, 1)
    assert ports(here.announce(3)) == {1, 2}
    assert here.counts() == there.counts() == (1, 1, 2)
    there.announce(1, left=0, event="stopped")
    assert here.counts() == (0, 1, 2)
    assert ports(here.announce(3, compact=0)) == {2}
    assert not here.reports + there.reports


def test_a_restart_costs_no_peers(server: RedisServer, machine: Callable[..., Machine]) -> None:
    here, there = machine(server.url), machine(server.url)
    here.announce(1, left=0, event="completed")
    there.announce(2)
    server.stop()
    here.wait_away()
    there.wait_away()
    # Each goes on with what it knows.
    here.announce(3)
    assert ports(there.announce(4)) == {1, 2}
    assert there.announce(2, event="stopped").incomplete >= 1
    server.start()
    here.wait_connected()
    there.wait_connected()
    run_until(here.raw_server, lambda: here.counts() == (1, 1, 1))
    run_until(there.raw_server, lambda: there.counts() == (1, 1, 2))
    assert ports(here.announce(3)) == {1, 4}
    assert "is away" in here.reports[0]
    assert here.registry.warning == ""


def test_a_store_that_hangs_holds_nobody_up(
    server: RedisServer, machine: Callable[..., Machine]
) -> None:
    here = machine(server.url)
    here.announce(1)
    server.pause()
    waits = []
    for number in range(2, 6):
        began = time.monotonic()
        assert 1 in ports(here.announce(number))
        waits.append(time.monotonic() - began)
    # The first finds out; those after it are answered at once.
    assert TIMEOUT <= waits[0] < TIMEOUT + 5
    assert max(waits[1:]) < waits[0]
    assert here.registry.warning.endswith(f"is away: no answer within {TIMEOUT:g} s")
    server.resume()
    here.wait_connected()
    run_until(here.raw_server, lambda: here.counts() == (0, 0, 5))
    assert server.ask("DBSIZE") == 2


def test_a_store_with_a_password(machine: Callable[..., Machine]) -> None:
    server = RedisServer(password="a secret")
    try:
        here = machine(server.url)
        here.announce(1)
        assert ports(machine(server.url).announce(2)) == {1}
        without = machine(f"unix://{server.path}", connected=False)
        run_until(without.raw_server, lambda: without.reports)
        assert "NOAUTH" in without.registry.warning
        assert ports(without.announce(3)) == set()
        wrong = machine(f"unix://:wrong@{server.path}", connected=False)
        run_until(wrong.raw_server, lambda: wrong.reports)
        assert "WRONGPASS" in wrong.registry.warning
        assert "wrong@" not in wrong.registry.warning
    finally:
        server.close()


def test_a_store_that_forgets_its_scripts(
    server: RedisServer, machine: Callable[..., Machine]
) -> None:
    here = machine(server.url)
    server.ask("SCRIPT", "FLUSH")
    here.announce(1)
    assert ports(here.announce(2)) == {1}
    assert not here.reports


def test_a_store_that_is_full(machine: Callable[..., Machine]) -> None:
    server = RedisServer("--maxmemory", "1mb", "--maxmemory-policy", "noeviction")
    try:
        server.ask("SET", "ballast", "x" * 400_000)
        server.ask("CONFIG", "SET", "maxmemory", "100kb")
        here = machine(server.url)
        here.announce(1)
        assert ports(here.announce(2)) == {1}
        assert "memory" in here.registry.warning
    finally:
        server.close()


def test_databases_of_one_store_are_apart(
    server: RedisServer, machine: Callable[..., Machine]
) -> None:
    here, there = machine(server.url), machine(f"{server.url}?db=1")
    here.announce(1)
    assert ports(there.announce(2)) == set()


def test_a_swarm_under_a_wrong_key_costs_that_swarm_alone(
    server: RedisServer, machine: Callable[..., Machine]
) -> None:
    here = machine(server.url)
    server.ask("SET", f"rs:{{{HASH.hex()}}}:s4", "no set")
    here.announce(1, left=0)
    assert ports(here.announce(2)) == {1}
    assert "WRONGTYPE" in here.registry.warning
    assert here.announce(1, info_hash=bytes(20)).incomplete == 1
    assert here.registry.is_connected
