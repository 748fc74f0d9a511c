"""What a tracker answers to one datagram (BEP 15, BEP 41)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rawserver.services.tracker.asker import MAX_PASSKEY_LENGTH, Asker
from rawserver.services.tracker.counters import FrontCounters
from rawserver.services.tracker.gate import Refused
from rawserver.swarm.connection_ids import ConnectionIds
from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.announce_response import AnnounceResponse
from rawserver.wire.scrape import ScrapeFile
from rawserver.wire.udp_tracker_replies import (
    ANNOUNCE_REPLY_HEAD_LENGTH,
    ScrapedNumbers,
    encode_udp_announce_reply,
    encode_udp_connect_reply,
    encode_udp_error,
    encode_udp_scrape_reply,
)
from rawserver.wire.udp_tracker_requests import (
    CONNECT_LENGTH,
    CONNECT_START,
    UdpAnnounce,
    UdpScrape,
    decode_udp_request,
)

if TYPE_CHECKING:
    from rawserver.services.tracker.tracker import Tracker

# What passes every link of IPv6 (RFC 8200, section 5: 1,280 bytes with the headers of IPv6 and
# UDP), and in practice of IPv4. One in fragments is lost with any of them, and firewalls drop them.
LONGEST_REPLY = 1232
LONGEST_PEERS = LONGEST_REPLY - ANNOUNCE_REPLY_HEAD_LENGTH
MOST_PEERS_IPV4 = LONGEST_PEERS // 6
MOST_PEERS_IPV6 = LONGEST_PEERS // 18

_UNKNOWN = ScrapedNumbers(0, 0, 0)

SendLater = Callable[[bytes], None]


class UdpAnswers:
    """Answers one datagram at a time, through the tracker's gates.

    Who has not proven that he is where his address says gets a connection id, in no more bytes than
    he sent, or nothing; who has is told what is wrong with his request.
    """

    def __init__(self, tracker: Tracker, counters: FrontCounters, ids: ConnectionIds) -> None:
        self._tracker = tracker
        self._counters = counters
        self._ids = ids

    def answer(self, ip: bytes, data: bytes, later: SendLater) -> bytes | None:
        """Return the reply; None if there is none, or `later(reply)` will be called."""
        if self._tracker.gates and self._tracker.access.refuses(ip):
            self._counters.dropped += 1
            return None
        if data.startswith(CONNECT_START) and len(data) >= CONNECT_LENGTH:
            self._counters.connects += 1
            return encode_udp_connect_reply(data[12:16], self._ids.issue(ip))
        if len(data) < CONNECT_LENGTH or not self._ids.accepts(data[:8], ip):
            self._counters.dropped += 1
            return None
        try:
            request = decode_udp_request(data)
        except AnnounceError as error:
            self._counters.malformed += 1
            return encode_udp_error(data[12:16], str(error))
        if isinstance(request, UdpAnnounce):
            return self._announce(request, ip, later)
        assert isinstance(request, UdpScrape)
        return self._scrape(request, ip, later)

    def _announce(self, request: UdpAnnounce, ip: bytes, later: SendLater) -> bytes | None:
        announce, is_ipv6 = request.announce, len(ip) == 16
        most = MOST_PEERS_IPV6 if is_ipv6 else MOST_PEERS_IPV4
        if announce.numwant is not None and announce.numwant > most:
            announce = announce._replace(numwant=most)

        def reply(response: AnnounceResponse) -> bytes:
            return self._announce_reply(request.transaction_id, response, is_ipv6)

        response = self._tracker.announce(
            announce,
            Asker(ip, passkey_of(request.path)),
            lambda response: later(reply(response)),
            only_own_family=True,
        )
        return None if response is None else reply(response)

    def _announce_reply(
        self, transaction_id: bytes, response: AnnounceResponse, is_ipv6: bool
    ) -> bytes:
        if response.failure:
            self._counters.refused += 1
            return encode_udp_error(transaction_id, response.failure)
        self._counters.announces += 1
        peers4, peers6 = response.packed or (b"", b"")
        return encode_udp_announce_reply(
            transaction_id,
            response.interval,
            response.incomplete or 0,
            response.complete or 0,
            peers6[: MOST_PEERS_IPV6 * 18] if is_ipv6 else peers4[: MOST_PEERS_IPV4 * 6],
        )

    def _scrape(self, request: UdpScrape, ip: bytes, later: SendLater) -> bytes | None:
        if self._tracker.http.options.scrape == "none":
            self._counters.refused += 1
            return encode_udp_error(request.transaction_id, "this tracker answers no scrapes")

        def reply(files: Sequence[ScrapeFile]) -> bytes:
            self._counters.scrapes += 1
            known = {
                file.info_hash: ScrapedNumbers(file.complete, file.downloaded, file.incomplete)
                for file in files
            }
            numbers = [known.get(info_hash, _UNKNOWN) for info_hash in request.info_hashes]
            return encode_udp_scrape_reply(request.transaction_id, numbers)

        try:
            files = self._tracker.scrape(
                request.info_hashes, Asker(ip), lambda files: later(reply(files))
            )
        except Refused as refusal:
            self._counters.refused += 1
            return encode_udp_error(request.transaction_id, str(refusal))
        return None if files is None else reply(files)


def passkey_of(path: str) -> str:
    """Return KEY of "/KEY/announce", which a query may follow; "" of another path."""
    passkey, slash, last = path.partition("?")[0][1:].partition("/")
    return passkey if slash and last == "announce" and len(passkey) <= MAX_PASSKEY_LENGTH else ""
