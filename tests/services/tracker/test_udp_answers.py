"""What is answered to a datagram, the long way through gates and the short one."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.tracker_desk import GETTER, HASH, SEED
from kit.udp_desk import TID, UdpAsker, UdpDesk
from rawserver.services.tracker import Asker, Refused, Tracker
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.udp_answers import (
    LONGEST_REPLY,
    MOST_PEERS_IPV4,
    MOST_PEERS_IPV6,
    passkey_of,
)
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry import RegistryError
from rawserver.wire.announce_request import AnnounceError, AnnounceRequest, Event
from rawserver.wire.compact_peers import Peer
from rawserver.wire.udp_tracker_replies import (
    ScrapedNumbers,
    UdpConnectReply,
    UdpError,
    UdpScrapeReply,
    decode_udp_reply,
)
from rawserver.wire.udp_tracker_requests import (
    decode_udp_request,
    encode_udp_announce,
    encode_udp_connect,
    encode_udp_scrape,
)

SEEDING = AnnounceRequest(HASH, SEED, 6881)
GETTING = AnnounceRequest(HASH, GETTER, 6882, left=100)
OTHER_HASH = b"o" * 20


def pass_all(announce: AnnounceRequest, asker: Asker) -> None:
    """A gate that is open; with it an announce goes the long way."""


@pytest.fixture(params=["short", "long"])
def tracker(request: pytest.FixtureRequest) -> Tracker:
    gates = [pass_all] if request.param == "long" else []
    return Tracker(UdpDesk(), gates=gates)  # type: ignore[arg-type]


def test_a_connection_id_is_no_longer_than_what_asked_for_it(tracker: Tracker) -> None:
    (answer,) = UdpAsker(tracker).send(encode_udp_connect(TID))
    assert len(answer) == 16
    reply = decode_udp_reply(answer)
    assert isinstance(reply, UdpConnectReply)
    assert reply.transaction_id == TID
    assert tracker.counters.udp.connects == 1


@pytest.mark.parametrize(
    ("seeding", "getting", "shown"),
    [
        ("203.0.113.1", "203.0.113.9", "203.0.113.1"),
        ("2001:db8::1", "2001:db8::9", "2001:db8::1"),
    ],
)
def test_peers_are_told_of_each_other(
    tracker: Tracker, seeding: str, getting: str, shown: str
) -> None:
    UdpAsker(tracker, seeding).connect().announce(SEEDING)
    response = UdpAsker(tracker, getting).connect().announce(GETTING)
    assert response.peers == (Peer(shown, 6881),)
    assert (response.complete, response.incomplete) == (1, 1)
    assert 0.9 * 1800 <= response.interval <= 1800
    assert tracker.counters.udp.announces == 2


def test_ipv4_at_a_socket_of_both_families_is_ipv4(tracker: Tracker) -> None:
    UdpAsker(tracker, "203.0.113.1").connect().announce(SEEDING)
    UdpAsker(tracker, "2001:db8::1").connect().announce(SEEDING)
    both = UdpAsker(tracker, "203.0.113.9", dual=True).connect()
    assert both.announce(GETTING).peers == (Peer("203.0.113.1", 6881),)
    six = UdpAsker(tracker, "2001:db8::9", dual=True).connect()
    assert six.announce(GETTING).peers == (Peer("2001:db8::1", 6881),)


def test_a_lonely_one_comes_back_soon_and_one_who_stops_is_gone(tracker: Tracker) -> None:
    asker = UdpAsker(tracker).connect()
    assert asker.announce(GETTING).interval <= 15
    assert asker.announce(GETTING._replace(event=Event.STOPPED)).interval > 1000
    assert tracker.registry.num_peers == 0


def test_intervals_of_those_who_come_together_differ(tracker: Tracker) -> None:
    UdpAsker(tracker, "203.0.113.1").connect().announce(SEEDING)
    asker = UdpAsker(tracker).connect()
    assert len({asker.announce(GETTING).interval for _ in range(50)}) > 20


@pytest.mark.parametrize(("ip", "most"), [("192.0.2.{}", MOST_PEERS_IPV4), ("2001:db8::{}", 67)])
def test_a_reply_passes_every_link(tracker: Tracker, ip: str, most: int) -> None:
    assert MOST_PEERS_IPV6 == 67
    for number in range(1, 251):
        peer_id = f"-XX0001-{number:012}".encode()
        UdpAsker(tracker, ip.format(number)).connect().announce(GETTING._replace(peer_id=peer_id))
    asker = UdpAsker(tracker, ip.format(255)).connect()
    for wanted, given_at_least in ((None, 50), (0, 0), (3, 3), (1000, min(most, 190))):
        (answer,) = asker.send(
            encode_udp_announce(asker.connection_id, TID, GETTING._replace(numwant=wanted))
        )
        assert len(answer) <= LONGEST_REPLY
        reply: Any = decode_udp_reply(answer, 16 if asker.is_ipv6 else 4)
        assert given_at_least <= len(reply.response.peers) <= most


def test_who_has_not_proven_his_address_is_not_answered(tracker: Tracker) -> None:
    asker = UdpAsker(tracker)
    elsewhere = UdpAsker(tracker, "203.0.113.77").connect().connection_id
    old = asker.connect().connection_id
    tracker.raw_server.now += 300.0  # type: ignore[attr-defined]
    for connection_id in (bytes(8), elsewhere, old, b"guessed!"):
        for datagram in (
            encode_udp_announce(connection_id, TID, GETTING),
            encode_udp_announce(connection_id, TID, GETTING, "/announce"),
            encode_udp_announce(connection_id, TID, GETTING._replace(ip="192.0.2.1")),
            encode_udp_announce(connection_id, TID, GETTING)[:97],
            encode_udp_scrape(connection_id, TID, [HASH]),
            connection_id + b"\0\0\0\7" + TID,
        ):
            assert asker.send(datagram) == []
    assert tracker.registry.num_peers == 0
    assert tracker.counters.udp.dropped == 24


def test_what_is_too_short_is_not_answered(tracker: Tracker) -> None:
    asker = UdpAsker(tracker)
    for length in range(16):
        assert asker.send(encode_udp_connect(TID)[:length]) == []
    assert tracker.counters.udp.dropped == 16


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        (b"\0\0\0\1" + TID, "an announce has at least 98 bytes, not 16"),
        (b"\0\0\0\2" + TID + b"short", "a scrape has 20 bytes for each torrent, and one at least"),
        (b"\0\0\0\7" + TID, "there is no action 7"),
        (b"\0\0\0\0" + TID, "a connect request begins with another number"),
    ],
)
def test_who_has_proven_it_is_told_what_is_wrong(
    tracker: Tracker, rest: bytes, reason: str
) -> None:
    asker = UdpAsker(tracker).connect()
    assert asker.ask(asker.connection_id + rest) == UdpError(TID, reason)
    assert tracker.counters.udp.malformed == 1


def test_a_refusal_of_the_registry_is_sent(tracker: Tracker) -> None:
    UdpAsker(tracker, "203.0.113.1").connect().announce(SEEDING)
    other = UdpAsker(tracker, "203.0.113.2").connect()
    reply = other.ask(encode_udp_announce(other.connection_id, TID, SEEDING))
    assert isinstance(reply, UdpError)
    assert "key" in reply.reason
    assert tracker.counters.udp.refused == 1


def test_a_peer_is_its_own_by_its_key(tracker: Tracker) -> None:
    keyed = SEEDING._replace(key=b"0000BEEF")
    UdpAsker(tracker, "203.0.113.1").connect().announce(keyed)
    assert UdpAsker(tracker, "203.0.113.2").connect().announce(keyed).complete == 1


def test_only_one_who_is_trusted_says_which_address_he_has(tracker: Tracker) -> None:
    said = SEEDING._replace(ip="198.51.100.7")
    UdpAsker(tracker, "10.0.0.1").connect().announce(said)
    UdpAsker(tracker, "9.9.9.9").connect().announce(said._replace(peer_id=b"x" * 20))
    peers = UdpAsker(tracker).connect().announce(GETTING).peers
    assert set(peers) == {Peer("198.51.100.7", 6881), Peer("9.9.9.9", 6881)}


@pytest.mark.parametrize("loopback", ["127.0.0.1", "::1"])
def test_peers_of_this_machine_are_shown_at_an_address_that_others_reach(
    tracker: Tracker, loopback: str
) -> None:
    UdpAsker(tracker, loopback).connect().announce(SEEDING)
    neighbour = UdpAsker(tracker, loopback).connect().announce(GETTING)
    assert neighbour.peers == (Peer(loopback, 6881),)
    response = UdpAsker(tracker).connect().announce(GETTING._replace(peer_id=b"x" * 20))
    shown = {Peer("192.0.2.1", 6881), Peer("192.0.2.1", 6882)}
    assert set(response.peers) == shown if loopback == "127.0.0.1" else set(response.peers) <= shown


def test_a_scrape_has_numbers_in_the_order_asked_for(tracker: Tracker) -> None:
    asker = UdpAsker(tracker).connect()
    asker.announce(GETTING)
    UdpAsker(tracker, "203.0.113.1").connect().announce(SEEDING)
    hashes = [OTHER_HASH, HASH, OTHER_HASH]
    reply = asker.ask(encode_udp_scrape(asker.connection_id, TID, hashes))
    nothing = ScrapedNumbers(0, 0, 0)
    assert reply == UdpScrapeReply(TID, (nothing, ScrapedNumbers(1, 0, 1), nothing))
    assert tracker.counters.udp.scrapes == 1


def test_a_tracker_that_answers_no_scrapes_says_so() -> None:
    tracker = Tracker(UdpDesk(), http=HttpOptions(scrape="none"))  # type: ignore[arg-type]
    asker = UdpAsker(tracker).connect()
    reply = asker.ask(encode_udp_scrape(asker.connection_id, TID, [HASH]))
    assert reply == UdpError(TID, "this tracker answers no scrapes")
    assert tracker.counters.udp.refused == 1


# The long way alone.


def test_a_gate_hears_of_the_passkey_and_refuses() -> None:
    def gate(announce: AnnounceRequest, asker: Asker) -> None:
        if asker.passkey != "secret":
            raise Refused("who are you?")

    tracker = Tracker(UdpDesk(), gates=[gate])  # type: ignore[arg-type]
    asker = UdpAsker(tracker).connect()
    data = encode_udp_announce(asker.connection_id, TID, GETTING, "/wrong/announce")
    assert asker.ask(data) == UdpError(TID, "who are you?")
    assert asker.announce(GETTING, "/secret/announce").incomplete == 1
    cut_short = encode_udp_announce(asker.connection_id, TID, GETTING, "/secret/announce")[:-1]
    assert asker.ask(cut_short) == UdpError(TID, "option 2 of the announce is cut short")


def test_a_watcher_hears_of_an_announce() -> None:
    heard: list[Any] = []
    tracker = Tracker(UdpDesk(), watchers=[lambda *about: heard.append(about)])  # type: ignore[arg-type]
    UdpAsker(tracker).connect().announce(GETTING._replace(uploaded=7))
    ((request, asker, result),) = heard
    assert (request.uploaded, asker.ip, result.incomplete) == (7, b"\xcb\0\x71\x09", 1)


class Elsewhere(MemoryRegistry):
    """A registry that answers when it is let."""

    def __init__(self, random: Any) -> None:
        super().__init__(random)
        self.answers: list[Callable[[], None]] = []

    def announce(self, *args: Any, later: Any = None, **kwargs: Any) -> Any:
        result = super().announce(*args, **kwargs)
        self.answers.append(lambda: later(result))
        return None

    def scrape(self, info_hashes: Any, later: Any = None) -> Any:
        files = super().scrape(info_hashes)
        self.answers.append(lambda: later(files))
        return None


def test_a_registry_may_answer_later() -> None:
    desk = UdpDesk()
    registry = Elsewhere(desk.random)
    asker = UdpAsker(Tracker(desk, registry)).connect()  # type: ignore[arg-type]
    assert asker.send(encode_udp_announce(asker.connection_id, TID, GETTING)) == []
    assert asker.send(encode_udp_scrape(asker.connection_id, TID, [HASH])) == []
    before = len(desk.sent)
    for answer in registry.answers:
        answer()
    announced, scraped = asker.answers_since(before)
    reply: Any = decode_udp_reply(announced)
    assert reply.response.incomplete == 1
    assert decode_udp_reply(scraped) == UdpScrapeReply(TID, (ScrapedNumbers(0, 0, 1),))


def test_an_answer_that_comes_after_the_end_is_not_sent() -> None:
    desk = UdpDesk()
    registry = Elsewhere(desk.random)
    asker = UdpAsker(Tracker(desk, registry)).connect()  # type: ignore[arg-type]
    asker.send(encode_udp_announce(asker.connection_id, TID, GETTING))
    desk.descriptor = -1
    before = len(desk.sent)
    registry.answers[0]()
    assert len(desk.sent) == before


def test_a_registry_may_refuse_later() -> None:
    desk = UdpDesk()
    registry = Elsewhere(desk.random)
    registry.announce = lambda *args, later, **kwargs: later(RegistryError("full"))  # type: ignore[method-assign]
    asker = UdpAsker(Tracker(desk, registry)).connect()  # type: ignore[arg-type]
    assert asker.ask(encode_udp_announce(asker.connection_id, TID, GETTING)) == UdpError(
        TID, "full"
    )


@pytest.mark.parametrize(
    ("path", "passkey"),
    [
        ("", ""),
        ("/", ""),
        ("/announce", ""),
        ("announce", ""),
        ("/KEY/announce", "KEY"),
        ("/KEY/announce?a=/b/announce", "KEY"),
        ("/tracker/KEY/announce", ""),
        ("//announce", ""),
        ("/" + "k" * 1000 + "/announce", ""),
        ("/KEY", ""),
        ("/KEY/elsewhere", ""),
    ],
)
def test_a_passkey_stands_before_announce(path: str, passkey: str) -> None:
    assert passkey_of(path) == passkey


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"", b"\0\0\0\1", b"\0\0\0\2", b"\0\0\0\1" + TID + HASH + GETTER]),
            st.binary(max_size=120),
            st.booleans(),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_any_rubbish_is_answered_with_no_more_than_it_has_or_to_who_has_proven(
    datagrams: list[tuple[bytes, bytes, bool]], through_a_gate: bool
) -> None:
    desk = UdpDesk()
    tracker = Tracker(desk, gates=[pass_all] if through_a_gate else [])  # type: ignore[arg-type]
    asker = UdpAsker(tracker).connect()
    for start, rubbish, proves in datagrams:
        data = (asker.connection_id if proves else b"") + start + rubbish
        answers = asker.send(data)
        if not proves:
            assert all(len(answer) <= len(data) for answer in answers)
        elif len(data) >= 16:
            ((answer),) = answers
            reply = decode_udp_reply(answer)
            malformed = True
            with suppress(AnnounceError):
                decode_udp_request(data)
                malformed = False
            assert isinstance(reply, UdpError) or not malformed or len(data) > 98
    assert not desk.faults
