"""The tracker by HTTP: announces, scrapes and people, asked by request and by connection."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.fake_connection import FakeConnection
from kit.loop import run_until
from kit.recorder import Recorder
from kit.tracker_desk import ADDRESS, GETTER, HASH, PORT, SEED, Desk, announce, ask, seed
from rawserver import RawServer
from rawserver.engine import Limits
from rawserver.http.client import HttpClient, HttpReply
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse
from rawserver.http.server_connection import ServerConnection
from rawserver.services.tracker import Asker, Refused, Tracker
from rawserver.services.tracker.asker import MAX_PASSKEY_LENGTH
from rawserver.services.tracker.forwarded import parse_networks
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.http_scrapes import MANY_TORRENTS
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.bencode import decode, decode_document

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


def test_what_else_clients_say_harms_nobody() -> None:
    said = {"supportcrypto": 1, "requirecrypto": 1, "corrupt": 0, "redundant": 5, "cryptoport": 1,
            "ipv4": "192.0.2.77", "ipv6": "[2001:db8::77]:1", "trackerid": "x",
            "no_peer_id": 1}  # fmt: skip
    tracker = Tracker(Desk())
    seed(tracker, **said)
    reply = announce(tracker, **said)
    assert reply[b"peers"] == ADDRESS + PORT
    assert reply[b"external ip"] == bytes([203, 0, 113, 9])


def test_a_partial_seed_is_one_who_does_not_download() -> None:
    tracker = Tracker(Desk())
    announce(tracker, event="paused")
    (file,) = tracker.registry.torrents()
    assert (file.incomplete, file.downloaders) == (1, 0)


def test_what_was_answered_is_counted() -> None:
    tracker = Tracker(Desk())
    announce(tracker, key="mine")
    announce(tracker, ip="203.0.113.77")  # another address, and not the key
    announce(tracker, port=None)
    counters = tracker.counters.http
    assert (counters.announces, counters.refused, counters.malformed) == (1, 1, 1)


# Those with something before the registry.


def test_a_gate_refuses_with_its_reason_and_says_when_to_come_again() -> None:
    def gate(request: AnnounceRequest, asker: Asker) -> None:
        raise Refused("come later", retry_in=600)

    tracker = Tracker(Desk(), gates=[gate])
    assert announce(tracker) == {b"failure reason": b"come later", b"retry in": 10}
    assert tracker.counters.http.refused == 1


def test_the_key_in_the_path_is_for_the_gates() -> None:
    keys: list[str] = []

    def gate(request: AnnounceRequest, asker: Asker) -> str:
        keys.append(asker.passkey)
        return "be nice"

    tracker = Tracker(Desk(), gates=[gate])
    query = urlencode({"info_hash": HASH, "peer_id": SEED, "port": 6881, "left": 0})
    for path in ("/announce", "/a-key/announce", "/" + "k" * MAX_PASSKEY_LENGTH + "/announce"):
        reply = decode(ask(tracker, path, query).body)
        assert isinstance(reply, dict)
        assert reply[b"warning message"] == b"be nice"
    assert keys == ["", "a-key", "k" * MAX_PASSKEY_LENGTH]
    for path in ("/" + "k" * (MAX_PASSKEY_LENGTH + 1) + "/announce", "/a/b/announce", "//announce"):
        assert ask(tracker, path, query).status == 404


@given(
    st.lists(
        st.tuples(
            st.sampled_from([SEED, GETTER, b"-XX0001-third1234567"]),
            st.sampled_from(["203.0.113.1", "203.0.113.2", "2001:db8::1", "127.0.0.1", "10.0.0.5"]),
            st.fixed_dictionaries(
                {},
                optional={
                    "left": st.sampled_from([0, 100]),
                    "event": st.sampled_from(["started", "completed", "stopped", "paused", "x"]),
                    "compact": st.sampled_from([0, 1]),
                    "numwant": st.sampled_from([0, 1, 300]),
                    "key": st.sampled_from(["a", "b"]),
                    "port": st.sampled_from([0, 6881, 70000]),
                    "scrape": st.just(1),
                },
            ),
        ),
        max_size=8,
    )
)
def test_the_straight_way_and_the_long_one_answer_the_same(
    announces: list[tuple[bytes, str, dict[str, Any]]],
) -> None:
    straight, long = Tracker(Desk()), Tracker(Desk(), gates=[lambda request, asker: None])
    for peer_id, ip, fields in announces:
        assert announce(straight, peer_id, ip, **fields) == announce(long, peer_id, ip, **fields)
    assert straight.counters == long.counters


def test_a_registry_that_asks_elsewhere_answers_later() -> None:
    tracker = Tracker(Desk(), gates=[lambda request, asker: None])
    waiting: list[Any] = []
    tracker.registry.announce = (  # type: ignore[method-assign]
        lambda *about, later, **more: waiting.append(later)
    )
    answers: list[HttpResponse] = []
    query = urlencode({"info_hash": HASH, "peer_id": SEED, "port": 6881, "left": 0})
    request = HttpRequest("GET", "/announce", query.encode(), "203.0.113.1", 4000)
    assert tracker.http.respond(request, answers.append) is None
    waiting[0](AnnounceResult(1, 2, 3, peers4=ADDRESS + PORT))
    reply = decode(answers[0].body)
    assert isinstance(reply, dict)
    assert (reply[b"complete"], reply[b"peers"]) == (1, ADDRESS + PORT)
    assert tracker.counters.http.announces == 1


# Behind a proxy.


def test_who_comes_through_a_proxy_that_is_trusted_is_who_it_says() -> None:
    options = HttpOptions(trusted_proxies=parse_networks(["192.0.2.1"]))
    tracker = Tracker(Desk(), http=options)
    query = urlencode({"info_hash": HASH, "peer_id": SEED, "port": 6881, "left": 0}).encode()
    seen = []
    for ip in ("192.0.2.1", "192.0.2.2"):
        headers = {"x-forwarded-for": "198.51.100.9, 203.0.113.1"}
        request = HttpRequest("GET", "/announce", query, ip, 4000, headers)
        response = tracker.http.respond(request, lambda response: None)
        assert response is not None
        reply = decode(response.body)
        assert isinstance(reply, dict)
        seen.append(reply.get(b"external ip"))
        assert request.ip == ("203.0.113.1" if ip == "192.0.2.1" else ip)
    assert seen == [ADDRESS, None]  # the second is another's peer id, without the key


# Whatever comes.


def consistent(tracker: Tracker) -> bool:
    files = list(tracker.registry.torrents())
    peers = sum(file.complete + file.incomplete for file in files)
    return (len(files), peers) == (len(tracker.registry), tracker.registry.num_peers)


WHOLE = (
    b"GET /announce?info_hash=" + b"%61" * 20 + b"&peer_id=" + b"q" * 20 + b"&port=2&left=1"
    b" HTTP/1.1\r\n\r\n"
)
words = st.sampled_from([
    b"GET ", b"POST ", b"/announce?", b"/scrape", b"/scrape?", b"/key/announce?", b"/", b"?", b"&",
    b"info_hash=" + b"a" * 20, b"&peer_id=" + b"p" * 20, b"&port=1", b"&left=0", b"&event=stopped",
    b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: a\r\n", b"\r\n", b"\r\n\r\n",
    b"Connection: close\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
    b"0\r\n", b"Accept-Encoding: gzip\r\n", WHOLE,
])  # fmt: skip


@given(st.lists(st.lists(words | st.binary(max_size=20), max_size=12).map(b"".join), max_size=5))
def test_any_bytes_are_answered_or_end_one_connection(parts: list[bytes]) -> None:
    desk = Desk()
    tracker = Tracker(desk)
    connection = FakeConnection()
    handler = ServerConnection(tracker.http.server(), connection)  # type: ignore[arg-type]
    connection.handler = handler
    for part in parts:
        if part and not connection.lost:
            handler.data_came_in(connection, part)  # type: ignore[arg-type]
    desk.run(2 * tracker.http.options.request_timeout)
    assert connection.lost
    assert not desk.reported
    assert consistent(tracker)


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


@pytest.mark.parametrize("start", [b"", b"GET /announce?info_hash="])
def test_who_says_too_little_is_not_waited_for(raw_server: RawServer, start: bytes) -> None:
    tracker = Tracker(raw_server, http=HttpOptions(request_timeout=0.02))
    tracker.listen(0, "127.0.0.1")
    client = Recorder()
    connection = raw_server.start_connection(("127.0.0.1", tracker.port), client)
    connection.write(start)
    run_until(raw_server, lambda: "connection_lost" in client.events)
    assert not client.data


def test_one_address_cannot_have_all_connections(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server, http=HttpOptions(limits=Limits(10, per_ip=2)))
    tracker.listen(0, "127.0.0.1")
    clients = [Recorder() for _ in range(3)]
    for client in clients:
        raw_server.start_connection(("127.0.0.1", tracker.port), client)
    run_until(raw_server, lambda: any("connection_lost" in one.events for one in clients))
    assert [one.events.count("connection_lost") for one in clients] == [0, 0, 1]


def test_a_proxy_that_is_not_trusted_cannot_say_who_it_asks_for(raw_server: RawServer) -> None:
    for trusted, answered in (("127.0.0.0/8", True), ("10.0.0.0/8", False)):
        options = HttpOptions(trusted_proxies=parse_networks([trusted]))
        tracker = Tracker(raw_server, http=options)
        tracker.listen(0, "127.0.0.1", proxy_protocol=True)
        client = Recorder()
        connection = raw_server.start_connection(("127.0.0.1", tracker.port), client)
        query = urlencode({"info_hash": HASH, "peer_id": SEED, "port": 6881, "left": 0})
        connection.write(
            b"PROXY TCP4 203.0.113.1 127.0.0.1 4000 80\r\n"
            + f"GET /announce?{query} HTTP/1.0\r\n\r\n".encode()
        )
        run_until(raw_server, lambda client=client: "connection_lost" in client.events)  # type: ignore[misc]
        assert (b"11:external ip4:" + ADDRESS in client.data) is answered
        tracker.close()


def test_a_scrape_of_very_many_arrives_whole(raw_server: RawServer) -> None:
    tracker = Tracker(raw_server)
    for number in range(MANY_TORRENTS + 500):
        announce(tracker, info_hash=b"%020d" % number)
    tracker.listen(0, "127.0.0.1")
    body = get(raw_server, f"http://127.0.0.1:{tracker.port}/scrape").body
    reply = decode_document(body, allow_unsorted=True).value
    assert isinstance(reply, dict)
    assert len(reply[b"files"]) == MANY_TORRENTS + 500  # type: ignore[arg-type]
