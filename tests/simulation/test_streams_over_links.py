"""Connections of real RawServers over links, routers and firewalls, from one end to the other."""

import errno
from typing import Any

import pytest

from rawserver.engine.rawserver import RawServer
from rawserver.simulation import presets
from rawserver.simulation.host import Host
from rawserver.simulation.latency import Constant
from rawserver.simulation.link import Access, Link
from rawserver.simulation.loss import RandomLoss
from rawserver.simulation.rules import Deliver, partition
from rawserver.simulation.world import World

PORT = 80


class Sink:
    """Counts what comes in."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.bytes = 0
        self.connections = 0
        self.errors: list[BaseException] = []

    def external_connection_made(self, connection: Any) -> None:
        self.connections += 1

    def connection_made(self, connection: Any) -> None:
        self.connections += 1

    def data_came_in(self, connection: Any, data: bytes) -> None:
        self.bytes += len(data)

    def connection_flushed(self, connection: Any) -> None:
        pass

    def connection_failed(self, address: Any, error: BaseException) -> None:
        self.errors.append(error)

    def connection_lost(self, connection: Any) -> None:
        if connection.error is not None:
            self.errors.append(connection.error)


class Source(Sink):
    """Sends so many bytes."""

    def __init__(self, world: World, count: int) -> None:
        super().__init__(world)
        self._left = count

    def connection_made(self, connection: Any) -> None:
        super().connection_made(connection)
        self.connection_flushed(connection)

    def connection_flushed(self, connection: Any) -> None:
        while self._left and connection.is_flushed():
            size = min(self._left, 65536)
            self._left -= size
            connection.write(bytes(size))


class Pair:
    """A host that sends to another."""

    def __init__(self) -> None:
        self.world = World(1)
        self.fabric = self.world.fabric
        self.sender = self.world.add_host("sender", "10.0.0.1")
        self.receiver = self.world.add_host("receiver", "10.0.0.2")
        self.sink = Sink(self.world)
        self.source = Source(self.world, 0)

    def send(self, count: int) -> float:
        """Send so many bytes; returns how long it takes."""
        if self.sink.bytes == 0:
            listen(self.receiver, self.sink)
        count_before = self.sink.bytes
        self.source = Source(self.world, count)
        self.sender.boot(lambda raw_server: connect(raw_server, "10.0.0.2", self.source))
        began = self.world.now
        count += count_before
        assert self.world.run(condition=lambda: self.sink.bytes == count, seconds=600)
        return self.world.now - began


def listen(host: Host, handler: Sink) -> None:
    host.boot(
        lambda raw_server: raw_server.start_listening(raw_server.create_serversocket(PORT), handler)
    )


def connect(raw_server: RawServer, ip: str, handler: Sink) -> None:
    raw_server.start_connection((ip, PORT), handler)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_a_line_is_used_and_not_exceeded(pair: Pair) -> None:
    pair.fabric.set_access(presets.DSL, "10.0.0.1")
    seconds = pair.send(4_000_000)
    least = 4_000_000 / (10 * presets.MEGABIT)
    assert least < seconds < 1.5 * least


def test_down_is_faster_than_up(pair: Pair) -> None:
    pair.fabric.set_access(presets.ADSL, "10.0.0.2")
    down = pair.send(500_000)
    other = Pair()
    other.fabric.set_access(presets.ADSL, "10.0.0.1")
    assert other.send(500_000) > 5 * down


def test_loss_costs_a_stream_its_speed_and_nothing_else(pair: Pair) -> None:
    pair.fabric.set_backbone(Link(Constant(0.02), loss=RandomLoss(0.01)))
    seconds = pair.send(6_000_000)
    # Mathis et al., "The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm" (1997):
    # MSS / RTT * sqrt(3/2) / sqrt(p); the acknowledgements that are lost, too, cost little.
    expected = 6_000_000 / (1448 / 0.04 * 1.22 / 0.1)
    assert 0.5 * expected < seconds < 2.5 * expected
    assert pair.world.trace.drops["lost"] > 5


def test_an_upload_fills_the_queue_so_that_others_wait(pair: Pair) -> None:
    def time_of_ping() -> float:
        """Return how long a second connection takes to be made."""
        ping = Source(pair.world, 0)
        pair.sender.boot(lambda raw_server: connect(raw_server, "10.0.0.2", ping))
        began = pair.world.now
        assert pair.world.run(condition=lambda: ping.connections, seconds=30)
        return pair.world.now - began

    pair.fabric.set_access(presets.ADSL, "10.0.0.1")
    listen(pair.receiver, pair.sink)
    idle = time_of_ping()
    pair.source = Source(pair.world, 2_000_000)
    pair.sender.boot(lambda raw_server: connect(raw_server, "10.0.0.2", pair.source))
    pair.world.run(seconds=12)
    assert idle < 0.12
    assert time_of_ping() > idle + 0.3


def test_a_host_behind_a_router_reaches_others_and_is_not_reached(pair: Pair) -> None:
    nat = pair.fabric.add_nat("1.1.1.1", "10.0.0.1")
    pair.send(300_000)
    visitor = Source(pair.world, 0)
    listen(pair.sender, Sink(pair.world))
    pair.receiver.boot(lambda raw_server: connect(raw_server, "1.1.1.1", visitor))
    pair.world.run(seconds=5)
    assert visitor.connections == 0
    nat.forward_port(PORT, ("10.0.0.1", PORT), udp=False)
    assert pair.world.run(condition=lambda: visitor.connections, seconds=60)


def test_a_firewall_keeps_a_connection_waiting_or_refuses_it(pair: Pair) -> None:
    pair.fabric.add_firewall("10.0.0.2")
    listen(pair.receiver, pair.sink)
    silent, refused = Source(pair.world, 0), Source(pair.world, 0)
    pair.sender.boot(lambda raw_server: connect(raw_server, "10.0.0.2", silent))
    pair.world.run(seconds=10)
    assert (silent.connections, silent.errors) == (0, [])
    pair.fabric.add_firewall("10.0.0.2", refuse=True)
    pair.sender.boot(lambda raw_server: connect(raw_server, "10.0.0.2", refused))
    assert pair.world.run(condition=lambda: refused.errors, seconds=5)
    assert isinstance(refused.errors[0], ConnectionRefusedError)


def test_there_is_no_way_to_where_nobody_is(pair: Pair) -> None:
    source = Source(pair.world, 0)
    pair.sender.boot(lambda raw_server: connect(raw_server, "10.9.9.9", source))
    assert pair.world.run(condition=lambda: source.errors, seconds=5)
    [error] = source.errors
    assert isinstance(error, OSError)
    assert error.errno == errno.EHOSTUNREACH


def test_a_stream_outlives_a_partition(pair: Pair) -> None:
    pair.fabric.set_access(presets.ADSL, "10.0.0.1")
    cut = partition([pair.sender], [pair.receiver])
    pair.world.schedule(1.0, lambda: pair.fabric.rules.add(cut))
    pair.world.schedule(4.0, lambda: pair.fabric.rules.handles[0].remove())
    assert pair.send(300_000) > 4
    assert pair.source.errors == []


def test_what_a_rule_lets_be_overtaken_arrives_in_order(pair: Pair) -> None:
    draws = pair.world.child_random("test")
    with pair.fabric.rules.add(lambda packet: Deliver(draws.random() * 0.01)):
        pair.send(300_000)
    assert pair.source.errors == []


def test_a_link_between_two_hosts_is_theirs_alone(pair: Pair) -> None:
    slow = Link(Constant(0.02), bandwidth=100_000)
    pair.fabric.set_link("10.0.0.1", "10.0.0.2", slow)
    assert pair.send(200_000) > 2
    pair.fabric.set_link("10.0.0.1", "10.0.0.2", None)
    pair.fabric.set_access(Access(Link(), Link()), "10.0.0.1")
    assert pair.send(200_000) < 1
