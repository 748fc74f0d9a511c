"""A UDP tracker that is asked without a network."""

from typing import Any

from kit.tracker_desk import Desk
from rawserver.engine.packed_address import pack_address
from rawserver.services.tracker import Tracker
from rawserver.services.tracker.udp_front import UdpFront
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.announce_response import AnnounceResponse
from rawserver.wire.udp_tracker_replies import (
    UdpAnnounceReply,
    UdpConnectReply,
    UdpReply,
    decode_udp_reply,
)
from rawserver.wire.udp_tracker_requests import encode_udp_announce, encode_udp_connect

TID = b"tran"


class UdpDesk(Desk):
    """Has what a tracker needs of a RawServer, and is the socket of its UDP front too."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[BaseException] = []
        self.sent: list[tuple[bytes, bytes]] = []
        self.writes = 0
        self.descriptor = 5
        self.front: UdpFront | None = None

    def context_failed(self, context: object, error: BaseException, where: object) -> None:
        self.faults.append(error)

    def write_packed(self, addresses: list[bytes], datagrams: list[bytes]) -> int:
        assert len(addresses) == len(datagrams)
        self.sent += zip(addresses, datagrams, strict=True)
        self.writes += 1
        return len(datagrams)


class UdpAsker:
    """Somebody who asks; on a socket of IPv6, or of both families with `dual`."""

    def __init__(self, tracker: Tracker, ip: str = "203.0.113.9", dual: bool = False) -> None:
        self.tracker = tracker
        self.desk: Any = tracker.raw_server
        if self.desk.front is None:
            self.desk.front = UdpFront(tracker, tracker.counters.udp)
        self.is_ipv6 = ":" in ip
        self.address = pack_address((ip, 50_000), self.is_ipv6 or dual)
        self.connection_id = bytes(8)

    def send(self, *datagrams: bytes) -> list[bytes]:
        """Send datagrams in one turn; returns what is answered in it."""
        before = len(self.desk.sent)
        addresses = [self.address] * len(datagrams)
        self.desk.front.packed_datagrams_came_in(self.desk, addresses, list(datagrams))
        return self.answers_since(before)

    def answers_since(self, before: int) -> list[bytes]:
        """Return what was sent to this asker after the first `before` datagrams."""
        return [data for to, data in self.desk.sent[before:] if to == self.address]

    def ask(self, datagram: bytes) -> UdpReply:
        (answer,) = self.send(datagram)
        return decode_udp_reply(answer, 16 if self.is_ipv6 else 4)

    def connect(self) -> "UdpAsker":
        reply = self.ask(encode_udp_connect(TID))
        assert isinstance(reply, UdpConnectReply)
        self.connection_id = reply.connection_id
        return self

    def announce(self, request: AnnounceRequest, path: str = "") -> AnnounceResponse:
        reply = self.ask(encode_udp_announce(self.connection_id, TID, request, path))
        assert isinstance(reply, UdpAnnounceReply), reply
        return reply.response
