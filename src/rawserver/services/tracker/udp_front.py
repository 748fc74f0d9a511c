"""The tracker by UDP: a turn's datagrams are taken at once and answered at once."""

from __future__ import annotations

from collections.abc import Iterator
from hmac import compare_digest as is_same
from itertools import cycle
from typing import TYPE_CHECKING

from rawserver.engine import UdpSocket
from rawserver.engine.fault_reports import Where, method_of
from rawserver.engine.packed_address import PACKED_IPV4_LENGTH, ip_of_packed
from rawserver.services.tracker.counters import FrontCounters
from rawserver.services.tracker.udp_answers import (
    LONGEST_PEERS,
    MOST_PEERS_IPV4,
    MOST_PEERS_IPV6,
    UdpAnswers,
)
from rawserver.swarm.announce_interval import AnnounceInterval
from rawserver.swarm.connection_ids import SECRET_LENGTH, ConnectionIds
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry import RegistryError
from rawserver.wire.udp_tracker_replies import ANNOUNCE_REPLY_HEAD, encode_udp_error
from rawserver.wire.udp_tracker_requests import (
    ANNOUNCE,
    ANNOUNCE_LENGTH,
    ANNOUNCE_WITHOUT_AMOUNTS,
    EVENTS,
    NO_IP,
)

if TYPE_CHECKING:
    from rawserver.services.tracker.tracker import Tracker

# Intervals are drawn ahead and told in turn: who comes together is told different ones. A prime
# number, so that nothing that repeats meets the same ones again.
NUM_INTERVALS = 1021

_STOPPED = 3


class UdpFront:
    """Answers datagrams; give it to `start_listening_udp`.

    Announces that nothing stands before (gates, watchers, a registry that asks elsewhere) go
    straight to the registry; what else comes goes through `UdpAnswers`.
    """

    def __init__(
        self, tracker: Tracker, counters: FrontCounters, secret: bytes | None = None
    ) -> None:
        """`secret` is that of the connection ids: processes that share a port need the same."""
        network = tracker.raw_server.network
        self._tracker = tracker
        self._counters = counters
        self._time = network.time
        self._ids = ConnectionIds(secret or network.random_bytes(SECRET_LENGTH))
        self._answers = UdpAnswers(tracker, counters, self._ids)
        self._interval: AnnounceInterval | None = None
        self._intervals: Iterator[int] = iter(())

    def packed_datagrams_came_in(
        self, udp_socket: UdpSocket, addresses: list[bytes], datagrams: list[bytes]
    ) -> None:
        """Answer a turn's datagrams by one batch; called by the engine."""
        tracker, registry = self._tracker, self._tracker.registry
        self._ids.set_time(self._time())
        if tracker.gates or tracker.watchers or type(registry) is not MemoryRegistry:
            replies = [
                self._answer(udp_socket, address, data)
                for address, data in zip(addresses, datagrams, strict=True)
            ]
        else:
            replies = self._answer_from(registry, udp_socket, addresses, datagrams)
        given = [reply for reply in replies if reply is not None]
        if len(given) < len(addresses):
            pairs = zip(addresses, replies, strict=True)
            addresses = [address for address, reply in pairs if reply is not None]
        udp_socket.write_packed(addresses, given)

    def _answer(self, udp_socket: UdpSocket, address: bytes, data: bytes) -> bytes | None:
        def later(reply: bytes) -> None:
            if udp_socket.descriptor >= 0:
                udp_socket.write_packed([address], [reply])

        try:
            return self._answers.answer(ip_of_packed(address), data, later)
        except Exception as error:
            # A gate that fails for one announce must not keep the others of its turn from answers.
            self._counters.dropped += 1
            where = Where(method_of(self, "packed_datagrams_came_in"))
            self._tracker.raw_server.context_failed(self._tracker, error, where)
            return None

    def _answer_from(
        self,
        registry: MemoryRegistry,
        udp_socket: UdpSocket,
        addresses: list[bytes],
        datagrams: list[bytes],
    ) -> list[bytes | None]:
        # One piece, because a call for each step would cost as much as the steps. What is rare or
        # wrong goes the long way.
        tracker, known_id, accepts = self._tracker, self._ids.known_id, self._ids.accepts
        unpack, pack_head = ANNOUNCE_WITHOUT_AMOUNTS.unpack_from, ANNOUNCE_REPLY_HEAD.pack
        interval, intervals, now = tracker.interval, self._drawn_intervals(), self._time()
        replies: list[bytes | None] = []
        for address, data in zip(addresses, datagrams, strict=True):
            if len(data) < ANNOUNCE_LENGTH:
                replies.append(self._answer(udp_socket, address, data))
                continue
            cid, action, tid, info_hash, peer_id, left, event, said, key, want, port = unpack(data)
            ip = address[4:8] if len(address) == PACKED_IPV4_LENGTH else ip_of_packed(address)
            is_usual = action == ANNOUNCE and left >= 0 and event <= _STOPPED and said == NO_IP
            # The long way checks the id again, and drops what it does not know.
            if not is_usual or not (is_same(known_id(ip, b""), cid) or accepts(cid, ip)):
                replies.append(self._answer(udp_socket, address, data))
                continue
            most = MOST_PEERS_IPV4 if len(ip) == 4 else MOST_PEERS_IPV6
            numwant = None if want < 0 else want if want < most else most
            try:
                result = registry.announce(
                    info_hash, peer_id, ip, port, left, EVENTS[event], numwant, now,
                    b"%08X" % key if key else b"", only_own_family=True,
                )  # fmt: skip
            except RegistryError as error:
                self._counters.refused += 1
                tracker.counters.note_refusal(registry)
                replies.append(encode_udp_error(tid, str(error)))
                continue
            if ip[0] == 127:
                tracker.has_loopback_peers = True
            elif tracker.has_loopback_peers or not ip[0]:  # as ::1 begins
                result = tracker.as_seen_by(ip, result)
            peers = result.peers4 if most == MOST_PEERS_IPV4 else result.peers6
            lonely = not peers and left and event != _STOPPED
            seconds = interval.after(True)[0] if lonely else next(intervals)
            if len(peers) > LONGEST_PEERS:
                peers = peers[: most * (len(ip) + 2)]
            head = pack_head(ANNOUNCE, tid, seconds, result.incomplete, result.complete)
            replies.append(head + peers)
            self._counters.announces += 1
        return replies

    def _drawn_intervals(self) -> Iterator[int]:
        interval = self._tracker.interval
        if interval is not self._interval:
            self._interval = interval
            self._intervals = cycle([interval.after(False)[0] for _ in range(NUM_INTERVALS)])
        return self._intervals
