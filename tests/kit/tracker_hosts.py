"""A tracker and its peers on simulated hosts."""

from __future__ import annotations

from kit.peer_tables import assert_store_sound
from rawserver import RawServer, SingleSocket
from rawserver.services.tracker import Tracker
from rawserver.services.tracker.nat_check import NatCheck
from rawserver.services.tracker_client import TrackerClient
from rawserver.simulation import World
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.announce_response import AnnounceResponse
from rawserver.wire.peer_wire import HANDSHAKE_LENGTH, encode_handshake

HASH = bytes(range(20))
PORT = 6969
PEER_PORT = 6881
URLS = (
    "http://192.0.2.1:6969/announce", "udp://192.0.2.1:6969",
    "http://[2001:db8::1]:6969/announce", "udp://[2001:db8::1]:6969",
)  # fmt: skip
RETRY_SECONDS = 20.0


class TrackerHost:
    """A host with a tracker on it; `nat_check` lets it connect back to peers."""

    def __init__(self, world: World, *, nat_check: bool = False) -> None:
        self.host = world.add_host("tracker", "192.0.2.1", "2001:db8::1")
        self.host.boot(lambda raw_server: self._serve(raw_server, nat_check))

    def _serve(self, raw_server: RawServer, nat_check: bool) -> None:
        random = raw_server.network.random
        self.registry = MemoryRegistry(random, hide_unverified=nat_check)
        self.tracker = Tracker(raw_server, self.registry)
        if nat_check:
            check = NatCheck(raw_server, self.registry, tries=1, context=self.tracker)
            self.tracker.watchers.append(check)
        self.tracker.listen(PORT)
        self.tracker.listen_udp(PORT)

    def assert_well(self) -> None:
        """Fail if anything was reported, or the registry is not sound."""
        assert not self.host.reports
        assert_store_sound(self.registry.store)


class PeerHost:
    """A host that announces until it is answered, and answers handshakes."""

    def __init__(self, world: World, number: int, ip: str, url: str) -> None:
        self.id = b"-XX0001-%012d" % number
        self.ip, self.url = ip, url
        self.responses: list[AnnounceResponse] = []
        self.host = world.add_host(f"peer {number}", ip)
        self.host.boot(self._begin)

    def _begin(self, raw_server: RawServer) -> None:
        self._raw_server = raw_server
        self._client = TrackerClient(raw_server)
        raw_server.start_listening(raw_server.create_serversocket(PEER_PORT), self)
        self.announce()

    def announce(self) -> None:
        request = AnnounceRequest(HASH, self.id, PEER_PORT, left=1)
        self._client.announce(self.url, request, self._answered, timeout=60.0)

    def _answered(self, response: AnnounceResponse | None, reason: str) -> None:
        if response is None:
            self._raw_server.add_task(self.announce, RETRY_SECONDS)
        else:
            assert not response.failure
            self.responses.append(response)

    @property
    def told(self) -> set[str]:
        return {peer.ip for peer in self.responses[-1].peers}

    def external_connection_made(self, connection: SingleSocket) -> None:
        pass

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        if len(data) == HANDSHAKE_LENGTH:
            connection.write(encode_handshake(HASH, self.id))
