"""What gates say of scrapes, of /file and of connections, by HTTP and by UDP."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from kit.loop import run_until
from kit.recorder import Recorder
from kit.tracker_desk import ADDRESS, GETTER, HASH, Desk, Names, announce, ask, seed
from kit.udp_desk import TID, UdpAsker, UdpDesk
from rawserver import RawServer
from rawserver.http.request import HttpRequest
from rawserver.services.tracker import Asker, Refused, Tracker
from rawserver.services.tracker.address_list import DeniedAddresses
from rawserver.services.tracker.catalog import TorrentDone
from rawserver.services.tracker.forwarded import parse_networks
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.http_scrapes import MANY_TORRENTS
from rawserver.services.tracker.info_hash_list import AllowedHashes, DeniedHashes
from rawserver.services.tracker.only_listed import OnlyListed
from rawserver.services.tracker.passkeys import Passkeys
from rawserver.services.tracker.rate_per_address import RatePerAddress
from rawserver.swarm.address_set import AddressSet, address_range
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.bencode import decode, decode_document
from rawserver.wire.udp_tracker_replies import ScrapedNumbers, UdpError, UdpScrapeReply
from rawserver.wire.udp_tracker_requests import (
    encode_udp_announce,
    encode_udp_connect,
    encode_udp_scrape,
)

OTHER = b"o" * 20
BOTH = f"info_hash={quote(HASH)}&info_hash={quote(OTHER)}"
KEY = "0123456789abcdef"
PASSKEYS = Passkeys({KEY: "ann"}.get)


class Torrents(Names):
    def torrent(self, info_hash: bytes, done: TorrentDone) -> None:
        done(b"d4:infodee")


def scraped(tracker: Tracker, query: str = "", path: str = "/scrape") -> Any:
    """Scrape; returns the info-hashes, or the failure reason."""
    body = ask(tracker, path, query).body
    reply: Any = decode(body)
    return reply.get(b"failure reason") or set(reply[b"files"])


# Who may ask.


@pytest.mark.parametrize("query", ["", BOTH])
def test_with_passkeys_a_scrape_needs_one(query: str) -> None:
    tracker = Tracker(Desk(), gates=[PASSKEYS])
    for path in ("/scrape", "/nobodys/scrape"):
        assert b"passkey" in scraped(tracker, query, path)
    assert scraped(tracker, query, f"/{KEY}/scrape") == set()
    assert tracker.counters.http.refused == 2
    assert tracker.counters.refused_by == {"Passkeys": 2}


def test_with_passkeys_a_torrent_needs_one() -> None:
    options = HttpOptions(torrents=True)
    catalog = Torrents({HASH: "a"})
    tracker = Tracker(Desk(), catalog=catalog, gates=[PASSKEYS], http=options)
    query = f"info_hash={quote(HASH)}"
    assert [
        (reply.status, reply.body[:16])
        for reply in (ask(tracker, f"{where}/file", query) for where in ("", "/x", f"/{KEY}"))
    ] == [(403, b"this tracker wan"), (403, b"unknown passkey\n"), (200, b"d4:infodee")]
    request = HttpRequest("POST", f"/{KEY}/file", query.encode(), "192.0.2.1", 4000)
    response = tracker.http.respond(request, lambda response: None)
    assert response is not None
    assert response.status == 405
    # Without the gate the key is of no interest.
    assert ask(Tracker(Desk(), catalog=catalog, http=options), "/x/file", query).status == 200


def test_with_passkeys_nobody_scrapes_by_udp() -> None:
    tracker = Tracker(UdpDesk(), gates=[PASSKEYS])  # type: ignore[arg-type]
    asker = UdpAsker(tracker).connect()
    reply = asker.ask(encode_udp_scrape(asker.connection_id, TID, [HASH]))
    assert isinstance(reply, UdpError)
    assert "passkey" in reply.reason
    asker.announce(AnnounceRequest(HASH, GETTER, 6882, left=100), f"/{KEY}/announce")
    assert (tracker.counters.udp.refused, tracker.counters.udp.announces) == (1, 1)


def test_scrapes_count_with_the_announces_of_an_address() -> None:
    desk = Desk()
    tracker = Tracker(desk, gates=[RatePerAddress(desk.time, rate=1.0, burst=2)])
    announce(tracker)
    assert scraped(tracker) == {HASH}
    assert b"too often" in scraped(tracker)
    assert b"too often" in announce(tracker)[b"failure reason"]
    assert tracker.counters.refused_by == {"RatePerAddress": 2}


# Of which torrents.


@pytest.mark.parametrize(
    "gate", [AllowedHashes({HASH}), DeniedHashes({OTHER}), OnlyListed(Names({HASH: "a"}))]
)
def test_what_is_not_tracked_any_more_is_shown_nowhere(gate: Any) -> None:
    catalog = Torrents({HASH: "a", OTHER: "b"})
    tracker = Tracker(UdpDesk(), catalog=catalog, http=HttpOptions(torrents=True))  # type: ignore[arg-type]
    seed(tracker)
    seed(tracker, info_hash=OTHER)
    tracker.gates.append(gate)
    assert scraped(tracker) == scraped(tracker, BOTH) == {HASH}
    page = ask(tracker, "/").body
    assert b"1 torrent, " in page
    assert OTHER.hex().encode() not in page
    assert [ask(tracker, "/file", f"info_hash={quote(each)}").status for each in (HASH, OTHER)] == [
        200,
        404,
    ]
    asker = UdpAsker(tracker).connect()
    reply = asker.ask(encode_udp_scrape(asker.connection_id, TID, [OTHER, HASH]))
    assert isinstance(reply, UdpScrapeReply)
    assert reply.torrents == (ScrapedNumbers(0, 0, 0), ScrapedNumbers(1, 0, 0))


def test_a_scrape_of_very_many_leaves_them_out_too() -> None:
    tracker = Tracker(Desk())
    for number in range(MANY_TORRENTS + 1):
        announce(tracker, info_hash=b"%020d" % number)
    tracker.gates.append(AllowedHashes({b"%020d" % 7, b"%020d" % 700}))
    stream: Iterator[bytes] = ask(tracker, "/scrape").stream
    reply: Any = decode_document(b"".join(stream), allow_unsorted=True).value
    assert set(reply[b"files"]) == {b"%020d" % 7, b"%020d" % 700}


def test_a_gate_of_another_kind_has_no_say() -> None:
    def gate(announce: AnnounceRequest, asker: Asker) -> str | None:
        raise Refused("no")

    tracker = Tracker(Desk())
    seed(tracker)
    tracker.gates.append(gate)
    assert scraped(tracker) == {HASH}
    announce(tracker)
    assert tracker.counters.refused_by == {"gate": 1}


# Who is not answered at all.


def denied(*texts: str) -> DeniedAddresses:
    return DeniedAddresses(AddressSet(map(address_range, texts)))


@pytest.mark.parametrize(("network", "answered"), [("127.0.0.0/8", False), ("10.0.0.0/8", True)])
def test_a_connection_from_an_address_that_is_denied_is_closed(
    raw_server: RawServer, network: str, answered: bool
) -> None:
    tracker = Tracker(raw_server)
    tracker.listen(0, "127.0.0.1")
    tracker.gates.append(denied(network))
    client = Recorder()
    connection = raw_server.start_connection(("127.0.0.1", tracker.port), client)
    connection.write(b"GET /healthz HTTP/1.0\r\n\r\n")
    run_until(raw_server, lambda: "connection_lost" in client.events)
    assert bool(client.data) == answered
    assert tracker.counters.refused_by == ({} if answered else {"DeniedAddresses": 1})
    tracker.close()


def test_who_is_denied_behind_a_proxy_is_told_so() -> None:
    options = HttpOptions(trusted_proxies=parse_networks(["192.0.2.1"]))
    tracker = Tracker(Desk(), gates=[denied("203.0.113.1")], http=options)
    headers = {"x-forwarded-for": "203.0.113.1"}
    request = HttpRequest("GET", "/scrape", b"", "192.0.2.1", 4000, headers)
    response = tracker.http.respond(request, lambda response: None)
    assert response is not None
    assert b"your address is refused here" in response.body


def test_a_datagram_from_an_address_that_is_denied_is_dropped() -> None:
    tracker = Tracker(UdpDesk(), gates=[denied("203.0.113.1")])  # type: ignore[arg-type]
    asker, other = UdpAsker(tracker, "203.0.113.1"), UdpAsker(tracker, "203.0.113.2")
    assert tracker.access.refuses(ADDRESS)
    request = AnnounceRequest(HASH, GETTER, 6882, left=100)
    assert asker.send(encode_udp_connect(TID), encode_udp_announce(bytes(8), TID, request)) == []
    assert tracker.counters.udp.dropped == 2
    assert other.connect().announce(request).incomplete == 1
