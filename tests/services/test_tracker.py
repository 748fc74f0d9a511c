"""The tracker: announces, scrapes and people, asked by request and over real connections."""

from typing import Any
from urllib.parse import urlencode

import pytest

from kit.fake_web import FakeWeb
from kit.loop import run_until
from rawserver import RawServer
from rawserver.http.client import HttpClient, HttpReply
from rawserver.http.request import HttpRequest
from rawserver.services.tracker import (
    DEFAULT_INTERVAL_SECONDS,
    EXPIRY_SECONDS,
    JITTER,
    LONELY_INTERVAL_SECONDS,
    MAX_LISTED_TORRENTS,
    Tracker,
    is_local,
)
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.bencode import decode

HASH = bytes(range(20))
SEED = b"-XX0001-seedseedseed"
GETTER = b"-XX0001-gettergetter"


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
    return tracker.respond(request, lambda response: None)


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


ADDRESS = b"\xcb\x00\x71\x01"  # 203.0.113.1
PORT = (6881).to_bytes(2, "big")


# Announcing.


def test_peers_are_told_of_each_other() -> None:
    tracker = Tracker(Desk())
    assert seed(tracker)[b"peers"] == b""
    reply = announce(tracker)
    assert reply[b"peers"] == ADDRESS + PORT
    assert (reply[b"complete"], reply[b"incomplete"]) == (1, 1)
    assert b"peers6" not in reply


def test_peers_as_dictionaries() -> None:
    tracker = Tracker(Desk())
    seed(tracker)
    peer = {b"ip": b"203.0.113.1", b"port": 6881, b"peer id": SEED}
    assert announce(tracker, compact=0)[b"peers"] == [peer]
    del peer[b"peer id"]
    assert announce(tracker, compact=0, no_peer_id=1)[b"peers"] == [peer]


def test_peers_by_ipv6() -> None:
    tracker = Tracker(Desk())
    seed(tracker, "2001:db8::1")
    reply = announce(tracker)
    assert reply[b"peers"] == b""
    assert reply[b"peers6"] == bytes.fromhex("20010db8000000000000000000000001") + PORT


def test_as_many_peers_as_wanted_within_reason() -> None:
    tracker = Tracker(Desk())
    for number in range(300):
        announce(tracker, b"-XX0001-%012d" % number, f"198.51.100.{number % 250}", port=number + 1)
    counts = {want: len(announce(tracker, numwant=want)[b"peers"]) // 6
              for want in (None, 0, 7, 1000, -1)}  # fmt: skip
    assert counts == {None: 50, 0: 0, 7: 7, 1000: 200, -1: 50}


def test_who_stops_is_forgotten_and_who_completes_is_counted() -> None:
    tracker = Tracker(Desk())
    announce(tracker, event="started")
    reply = announce(tracker, left=0, event="completed")
    assert (reply[b"complete"], reply[b"incomplete"], reply[b"downloaded"]) == (1, 0, 1)
    announce(tracker, event="stopped")
    assert tracker.registry.num_peers == 0


def test_who_is_silent_is_forgotten() -> None:
    desk = Desk()
    desk.create_serversocket = lambda port, bind: FakeListening()  # type: ignore[attr-defined]
    desk.start_listening = lambda *args: None  # type: ignore[attr-defined]
    tracker = Tracker(desk, interval=100)
    tracker.listen()
    announce(tracker)
    desk.run(200)
    announce(tracker, SEED)
    desk.run(100)
    assert tracker.registry.num_peers == 1
    desk.run(250 + EXPIRY_SECONDS)
    assert tracker.registry.num_peers == 0


class FakeListening:
    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.1", 6969


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"info_hash": None}, b"info_hash is missing"),
        ({"info_hash": b"short"}, b"info_hash has 5 bytes, not 20"),
        ({"peer_id": None}, b"peer_id is missing"),
        ({"port": None}, b"port is missing"),
        ({"port": 65536}, b"port is more than 65535"),
        ({"port": "x"}, b"port is not a number"),
        ({"left": None}, b"left is missing"),
        ({"left": -1}, b"left is not a number"),
        ({"key": "k" * 129}, b"key has more than"),
    ],
)
def test_a_malformed_announce_is_told_what_is_wrong(fields: dict[str, Any], why: bytes) -> None:
    tracker = Tracker(Desk())
    assert why in announce(tracker, **fields)[b"failure reason"]
    assert tracker.registry.num_peers == 0


def test_an_announce_that_is_no_query_at_all_is_told_so() -> None:
    response = ask(Tracker(Desk()), "/announce", "\x00&=&%%%&" + "x" * 5000)
    assert response.status == 200
    assert decode(response.body) == {b"failure reason": b"info_hash is missing"}


def test_only_what_is_allowed_is_tracked() -> None:
    tracker = Tracker(Desk(), allowed={HASH}.__contains__)
    assert b"failure reason" not in announce(tracker)
    reply = announce(tracker, info_hash=b"x" * 20)
    assert reply == {b"failure reason": b"this torrent is not tracked here"}
    assert len(tracker.registry) == 1


def test_a_peer_is_its_own_by_key_or_address() -> None:
    tracker = Tracker(Desk())
    announce(tracker, key="mine")
    assert b"failure reason" in announce(tracker, ip="203.0.113.77", event="stopped")
    assert b"failure reason" not in announce(tracker, ip="203.0.113.77", key="mine")


def test_right_announces_are_heard_of() -> None:
    heard: list[tuple[AnnounceRequest, str]] = []
    tracker = Tracker(Desk(), heard=lambda *about: heard.append(about))
    announce(tracker)
    announce(tracker, port=None)
    ((request, ip),) = heard
    assert (request.peer_id, ip) == (GETTER, "203.0.113.9")


# Intervals.


def test_peers_come_back_at_the_interval_but_not_together() -> None:
    tracker = Tracker(Desk())
    seed(tracker)
    told = {announce(tracker)[b"interval"] for _ in range(50)}
    assert len(told) > 10
    assert min(told) >= DEFAULT_INTERVAL_SECONDS * (1 - JITTER)
    assert max(told) <= DEFAULT_INTERVAL_SECONDS
    assert announce(tracker)[b"min interval"] == DEFAULT_INTERVAL_SECONDS // 4


def test_who_is_told_of_nobody_comes_back_soon() -> None:
    tracker = Tracker(Desk())
    assert announce(tracker)[b"interval"] <= LONELY_INTERVAL_SECONDS
    assert seed(tracker)[b"interval"] > LONELY_INTERVAL_SECONDS


@pytest.mark.parametrize(("interval", "least"), [(120, 60), (60, 60), (10, 20), (1, None)])
def test_the_least_interval_is_never_more_than_the_interval(
    interval: int, least: int | None
) -> None:
    reply = seed(Tracker(Desk(), interval=interval, min_interval=least))
    assert 1 <= reply[b"min interval"] <= reply[b"interval"] <= interval


# Addresses.


@pytest.mark.parametrize("ip", ["127.0.0.1", "192.168.1.9", "10.0.0.1", "::1", "fd00::1"])
def test_one_of_our_own_network_may_say_where_it_is_reached(ip: str) -> None:
    tracker = Tracker(Desk())
    ask(tracker, "/announce", query_of(SEED, "203.0.113.1"), ip)
    assert announce(tracker)[b"peers"] == ADDRESS + PORT


@pytest.mark.parametrize("name", ["tracker.example", "127.1", "1.2.3.4\r\n", "::g", ""])
def test_what_is_no_address_is_not_where_one_is_reached(name: str) -> None:
    tracker = Tracker(Desk())
    ask(tracker, "/announce", query_of(SEED, name), "10.0.0.1")
    assert announce(tracker)[b"peers"] == b"\x0a\x00\x00\x01" + PORT


def query_of(peer_id: bytes, ip: str) -> str:
    return urlencode({"info_hash": HASH, "peer_id": peer_id, "port": 6881, "left": 0, "ip": ip})


def test_a_stranger_may_not() -> None:
    tracker = Tracker(Desk())
    ask(tracker, "/announce", query_of(SEED, "203.0.113.1"), "8.8.8.8")
    assert announce(tracker)[b"peers"] == b"\x08\x08\x08\x08" + PORT


@pytest.mark.parametrize(
    ("ip", "local"),
    [("127.0.0.1", True), ("10.1.2.3", True), ("169.254.1.1", True), ("fe80::1%eth0", True),
     ("8.8.8.8", False), ("2606:4700::1", False), ("", False), ("nonsense", False)],
)  # fmt: skip
def test_what_is_local(ip: str, local: bool) -> None:
    assert is_local(ip) is local


@pytest.mark.parametrize("ip", ["127.0.0.1", "127.1.2.3", "::1"])
def test_others_are_told_where_they_reach_a_peer_of_this_machine(ip: str) -> None:
    for tracker in (Tracker(Desk(), local_address="203.0.113.1"), Tracker(Desk("203.0.113.1"))):
        seed(tracker, ip)
        reply = announce(tracker)
        assert reply[b"peers"] == ADDRESS + PORT
        assert b"peers6" not in reply
        (peer,) = announce(tracker, compact=0)[b"peers"]
        assert peer[b"ip"] == b"203.0.113.1"


def test_on_this_machine_a_peer_of_it_is_where_it_says() -> None:
    tracker = Tracker(Desk())
    seed(tracker, "127.0.0.1")
    assert announce(tracker, ip="127.0.0.1")[b"peers"] == b"\x7f\x00\x00\x01" + PORT


def test_nobody_is_sent_to_himself() -> None:
    tracker = Tracker(Desk("127.0.0.1"))
    seed(tracker, "127.0.0.1")
    announce(tracker, b"-XX0001-anotherxxxxx", "203.0.113.1")
    assert announce(tracker)[b"peers"] == ADDRESS + PORT


# Scraping, and people.


def test_a_scrape_of_some_and_of_all() -> None:
    tracker = Tracker(Desk())
    seed(tracker)
    announce(tracker, info_hash=b"x" * 20)
    files = {
        HASH: {b"complete": 1, b"downloaded": 0, b"incomplete": 0},
        b"x" * 20: {b"complete": 0, b"downloaded": 0, b"incomplete": 1},
    }
    assert decode(ask(tracker, "/scrape").body) == {b"files": files}
    some = ask(tracker, "/scrape", urlencode({"info_hash": HASH}) + "&info_hash=" + "y" * 20)
    assert decode(some.body) == {b"files": {HASH: files[HASH]}}
    wrong = ask(tracker, "/scrape", "info_hash=short")
    assert decode(wrong.body) == {b"failure reason": b"info_hash has 5 bytes, not 20"}


def test_a_scrape_of_all_has_an_end() -> None:
    tracker = Tracker(Desk())
    for number in range(MAX_LISTED_TORRENTS + 5):
        announce(tracker, info_hash=b"%020d" % number)
    listed = decode(ask(tracker, "/scrape").body)
    assert isinstance(listed, dict)
    assert len(listed[b"files"]) == MAX_LISTED_TORRENTS
    assert b"1005 torrents, 1005 peers. The first 1000 are listed." in ask(tracker, "/").body


@pytest.mark.parametrize("path", ["/", "/index.html"])
def test_the_page_names_what_it_knows(path: str) -> None:
    tracker = Tracker(Desk(), name_of={HASH: "a <name>"}.get)
    seed(tracker)
    response = ask(tracker, path)
    assert response.content_type == "text/html; charset=utf-8"
    assert b"a &lt;name&gt;" in response.body
    assert HASH.hex().encode() in response.body


def test_a_name_that_is_no_text_costs_nobody_the_page() -> None:
    tracker = Tracker(Desk(), name_of={HASH: "a\udcffb"}.get)
    seed(tracker)
    assert b"a?b" in ask(tracker, "/").body


def test_a_file_is_served_where_it_is_published() -> None:
    tracker = Tracker(Desk())
    tracker.publish("/a%20b.torrent", b"d4:infodee", "application/x-bittorrent")
    response = ask(tracker, "/a%20b.torrent")
    assert response.body == b"d4:infodee"
    assert response.content_type == "application/x-bittorrent"


@pytest.mark.parametrize("path", ["/favicon.ico", "/announce/", "/../etc/passwd", "", "*"])
def test_there_is_nothing_else(path: str) -> None:
    assert ask(Tracker(Desk()), path).status == 404


# Over real connections.


def get(raw_server: RawServer, url: str) -> HttpReply:
    outcomes: list[Any] = []
    HttpClient(raw_server).get(url, lambda *outcome: outcomes.append(outcome))
    run_until(raw_server, lambda: outcomes)
    ((reply, error),) = outcomes
    assert error is None
    assert reply is not None
    return reply


def test_a_tracker_listens_and_closes(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server)
    tracker.listen(0, "127.0.0.1")
    base = f"http://127.0.0.1:{tracker.port}"
    query = urlencode({"info_hash": HASH, "peer_id": SEED, "port": 6881, "left": 0})
    assert decode(get(raw_server, f"{base}/announce?{query}").body)[b"complete"] == 1  # type: ignore[index,call-overload]
    assert HASH.hex().encode() in get(raw_server, f"{base}/").body
    tracker.close()
    outcomes: list[Any] = []
    HttpClient(raw_server).get(f"{base}/", lambda *outcome: outcomes.append(outcome))
    run_until(raw_server, lambda: outcomes)
    assert "Connection refused" in str(outcomes[0][1])


def test_a_port_that_is_taken_is_an_error(raw_server: RawServer) -> None:
    tracker, other = Tracker(raw_server), Tracker(raw_server)
    tracker.listen(0, "127.0.0.1")
    with pytest.raises(OSError, match="in use"):
        other.listen(tracker.port, "127.0.0.1")
    tracker.close()
    other.close()
