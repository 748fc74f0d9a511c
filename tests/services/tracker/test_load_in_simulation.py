"""A tracker in a simulated internet that many connect to for nothing, and who reads slowly."""

from math import inf
from typing import Any

from kit.tracker_hosts import PEER_PORT, PORT, URLS, PeerHost, TrackerHost
from rawserver import RawServer, SingleSocket
from rawserver.services.tracker import Asker
from rawserver.services.tracker.http_options import MAX_CONNECTIONS_PER_ADDRESS
from rawserver.simulation import World
from rawserver.wire.announce_request import AnnounceRequest


def test_idle_connections_cost_no_answers_and_are_ended(world: World) -> None:
    served = TrackerHost(world)
    served.host.limits.descriptors = 20_000
    ips = [f"10.1.{number // 250}.{number % 250 + 1}" for number in range(12)]
    ended: list[Any] = []

    class Idle:
        def connection_made(self, connection: SingleSocket) -> None:
            connection.write(b"GET /announce?info_")  # and nothing else

        def connection_lost(self, connection: SingleSocket) -> None:
            ended.append(connection)

        def connection_failed(self, address: object, error: BaseException) -> None:
            raise AssertionError(error)

    def connect(raw_server: RawServer) -> None:
        for _ in range(900):
            raw_server.start_connection(("192.0.2.1", PORT), Idle())

    for ip in ips:
        world.add_host(ip, ip).boot(connect)
    world.run(seconds=5)
    raw_server = served.tracker.raw_server
    assert raw_server.statistics().traffic.connections >= 10_000
    began_at = world.now
    asker = PeerHost(world, 1, "198.51.100.1", URLS[0])
    assert world.run(condition=lambda: asker.responses, seconds=5)
    assert world.now - began_at < 1.0
    world.run(seconds=20)
    assert len(ended) == 900 * len(ips)
    assert raw_server.statistics().traffic.connections == 0
    served.assert_well()


def test_who_floods_is_stopped_at_his_own_limit(world: World) -> None:
    served = TrackerHost(world)
    served.host.limits.descriptors = 20_000
    lost: list[int] = []

    class Flood:
        def connection_made(self, connection: SingleSocket) -> None:
            connection.write(b"GET / HTTP/1.1\r\nX: ")

        def connection_lost(self, connection: SingleSocket) -> None:
            lost.append(1)

        def connection_failed(self, address: object, error: BaseException) -> None:
            lost.append(1)

    def flood(raw_server: RawServer) -> None:
        for _ in range(3000):
            raw_server.start_connection(("192.0.2.1", PORT), Flood())

    host = world.add_host("flood", "10.1.0.1")
    host.limits.descriptors = 20_000
    host.boot(flood)
    world.run(seconds=5)
    assert len(lost) == 3000 - MAX_CONNECTIONS_PER_ADDRESS
    connections = served.tracker.raw_server.statistics().traffic.connections
    assert connections == MAX_CONNECTIONS_PER_ADDRESS
    asker = PeerHost(world, 1, "198.51.100.1", URLS[0])
    assert world.run(condition=lambda: asker.responses, seconds=2)
    served.assert_well()


class SlowReader:
    """Asks for a scrape of all, and takes a little of it now and then."""

    def __init__(self, raw_server: RawServer) -> None:
        self.read = 0
        self.is_over = False
        self._raw_server = raw_server
        raw_server.start_connection(("192.0.2.1", PORT), self, idle_timeout=inf)

    def connection_made(self, connection: SingleSocket) -> None:
        connection.write(b"GET /scrape HTTP/1.1\r\nHost: tracker\r\n\r\n")

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        self.read += len(data)
        connection.pause_reading()
        self._raw_server.add_task(connection.resume_reading, 30.0)

    def connection_lost(self, connection: SingleSocket) -> None:
        self.is_over = True


def test_who_reads_a_scrape_of_all_slowly_is_no_burden(world: World) -> None:
    served = TrackerHost(world)
    for number in range(30_000):
        request = AnnounceRequest(b"%020d" % number, b"-XX0001-seedseedseed", PEER_PORT)
        served.tracker.announce(request, Asker(b"\x0a\0\0\1"), lambda response: None)
    readers = []
    for number in range(5):
        host = world.add_host(f"reader {number}", f"10.1.0.{number + 1}")
        host.boot(lambda raw_server: readers.append(SlowReader(raw_server)))
    world.run(seconds=60)
    # All but the last, who was told that there are too many.
    assert sum(reader.read < 1000 for reader in readers) == 1
    buffered = served.tracker.raw_server.statistics().traffic.sent
    assert buffered < 5_000_000
    asker = PeerHost(world, 1, "198.51.100.1", URLS[0])
    assert world.run(condition=lambda: asker.responses, seconds=2)
    world.run(seconds=900)
    assert sum(reader.is_over for reader in readers) >= 4
    served.assert_well()
