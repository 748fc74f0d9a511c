"""The tracker by HTTP: announces, scrapes and people, asked by request and by connection."""

from typing import Any
from urllib.parse import urlencode

import pytest

from kit.loop import run_until
from kit.tracker_desk import ADDRESS, GETTER, HASH, PORT, SEED, Desk, Names, announce, ask, seed
from rawserver import RawServer
from rawserver.http.client import HttpClient, HttpReply
from rawserver.services.tracker import Tracker
from rawserver.wire.bencode import decode

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


@pytest.mark.parametrize("path", ["/", "/index.html"])
def test_the_page_names_what_it_knows(path: str) -> None:
    tracker = Tracker(Desk(), catalog=Names({HASH: "a <name>"}))
    seed(tracker)
    response = ask(tracker, path)
    assert response.content_type == "text/html; charset=utf-8"
    assert b"a &lt;name&gt;" in response.body
    assert HASH.hex().encode() in response.body


def test_a_name_that_is_no_text_costs_nobody_the_page() -> None:
    tracker = Tracker(Desk(), catalog=Names({HASH: "a\udcffb"}))
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
