"""A UDP tracker that does as a test says, and a simulated host that asks it."""

from collections.abc import Callable
from typing import Any

from rawserver import Config, RawServer, UdpSocket
from rawserver.http.url import parse_url
from rawserver.services.udp_announce import UdpAnnounce
from rawserver.services.udp_connection_ids import UdpConnectionIds
from rawserver.simulation import World
from rawserver.simulation.latency import Constant
from rawserver.simulation.link import Link
from rawserver.simulation.packet import Packet
from rawserver.simulation.rules import DROP, PASS, Verdict
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.announce_response import AnnounceResponse
from rawserver.wire.compact_peers import Peer, pack_peers
from rawserver.wire.udp_tracker_replies import (
    encode_udp_announce_reply,
    encode_udp_connect_reply,
    encode_udp_error,
)
from rawserver.wire.udp_tracker_requests import UdpConnect, UdpRequest, decode_udp_request

PEER4 = Peer("192.0.2.77", 6881)
PEER6 = Peer("2001:db8::77", 6881)
INTERVAL_SECONDS = 1800
REQUEST = AnnounceRequest(
    info_hash=b"h" * 20, peer_id=b"-RS0001-abcdefghijkl", port=6881, left=33, key=b"0A0B0C0D"
)

# Answers a request with datagrams.
Script = Callable[[UdpRequest], list[bytes]]


class ScriptedUdpTracker:
    """Answers as BEP 15 has it, or as `script` says; `requests` are what it was asked.

    Its one peer is PEER4 or PEER6, of the family that it is asked by.
    """

    def __init__(self, raw_server: RawServer, bind: str, port: int = 0) -> None:
        self.requests: list[UdpRequest] = []
        self.at: list[float] = []
        self.askers: list[Any] = []
        self.script: Script = self.right
        self.id = b"ID-00001"
        self._time = raw_server.network.time
        self._is_ipv6 = ":" in bind
        sock = raw_server.create_udpsocket(port, bind)
        self.socket: UdpSocket = raw_server.start_listening_udp(sock, self)
        self.port: int = sock.getsockname()[1]

    @property
    def kinds(self) -> str:
        """What it was asked, a letter each: connect, announce."""
        return "".join("c" if isinstance(one, UdpConnect) else "a" for one in self.requests)

    def data_came_in(self, address: Any, data: bytes) -> None:
        request = decode_udp_request(data)
        self.requests.append(request)
        self.at.append(self._time())
        self.askers.append(address)
        for reply in self.script(request):
            self.socket.write_to(reply, address)

    def right(self, request: UdpRequest) -> list[bytes]:
        """Answer rightly."""
        if isinstance(request, UdpConnect):
            return [encode_udp_connect_reply(request.transaction_id, self.id)]
        if request.connection_id != self.id:
            return [encode_udp_error(request.transaction_id, "connection id mismatch")]
        packed = pack_peers([PEER6 if self._is_ipv6 else PEER4])[self._is_ipv6]
        tid = request.transaction_id
        return [encode_udp_announce_reply(tid, INTERVAL_SECONDS, 3, 2, packed)]


class Outcome:
    """What came of an announce, and when; there is to be one at most."""

    def __init__(self, raw_server: RawServer) -> None:
        self._time = raw_server.network.time
        self.began_at = self._time()
        self.announce: UdpAnnounce | None = None
        self.response: AnnounceResponse | None = None
        self.reason = ""
        self.seconds = 0.0
        self.over = False

    def __call__(self, response: AnnounceResponse | None, reason: str) -> None:
        assert not self.over, "done twice"
        self.over = True
        self.response, self.reason = response, reason
        self.seconds = self._time() - self.began_at

    @property
    def peers(self) -> tuple[Peer, ...]:
        assert self.response is not None, self.reason
        return self.response.peers


class UdpScene:
    """A simulated host that asks, and a tracker at another, 20 ms away."""

    OURS, OURS6 = "10.0.0.1", "fd00::1"
    ALSO_OURS = "10.0.0.11"
    THEIRS, THEIRS6 = "10.0.0.2", "fd00::2"
    PORT = 6969

    def __init__(self, world: World, *, config: Config | None = None) -> None:
        self.world = world
        self.host = world.add_host("asker", self.OURS, self.ALSO_OURS, self.OURS6)
        self.other = world.add_host("tracker", self.THEIRS, self.THEIRS6)
        world.fabric.set_backbone(Link(latency=Constant(0.02)))
        self.raw_server = self.host.boot(lambda raw_server: None, config)
        self.tracker = self.listen(self.THEIRS)
        self.ids = UdpConnectionIds()

    def listen(self, ip: str) -> ScriptedUdpTracker:
        """Begin a tracker at one of the other host's addresses."""
        trackers: list[ScriptedUdpTracker] = []
        self.other.boot(lambda server: trackers.append(ScriptedUdpTracker(server, ip, self.PORT)))
        return trackers[0]

    def lose(self, count: int, to: str = THEIRS) -> list[Packet]:
        """Lose the next packets to an address; returns the list of what was lost."""
        lost: list[Packet] = []

        def judge(packet: Packet) -> Verdict:
            if packet.destination[0] != to or len(lost) >= count:
                return PASS
            lost.append(packet)
            return DROP

        self.world.fabric.rules.add(judge)
        return lost

    def announce(
        self, url: str = f"udp://{THEIRS}:{PORT}/announce", request: AnnounceRequest = REQUEST,
        context: Any = None, timeout: float = 20.0,
    ) -> Outcome:  # fmt: skip
        """Begin an announce."""
        outcome = Outcome(self.raw_server)
        outcome.announce = UdpAnnounce(
            self.raw_server, self.ids, parse_url(url, {"udp": 80}), request, outcome, context,
            timeout,
        )  # fmt: skip
        outcome.announce.start()
        assert not outcome.over, "done came from within a call of ours"
        return outcome

    def asked(self, *args: Any, **options: Any) -> Outcome:
        """Make an announce, and return what came of it; nothing is left behind."""
        outcome = self.announce(*args, **options)
        self.world.run(seconds=30.0)
        assert outcome.over
        assert self.raw_server.udp_sockets() == []
        return outcome
