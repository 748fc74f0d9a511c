import errno
import socket

import pytest

from kit.fake_world import FakeReceiver, datagram
from rawserver.simulation.chaos import Chaos
from rawserver.simulation.fault import Fault
from rawserver.simulation.link import Access, Link
from rawserver.simulation.net_faults import NET_FAULTS
from rawserver.simulation.world import World

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


class Net:
    """Three hosts, of which only what arrives is of interest."""

    def __init__(self) -> None:
        self.world = World(1)
        self.fabric = self.world.fabric
        self.at: dict[str, FakeReceiver] = {}
        for name, ip in (("a", A), ("b", B), ("c", C)):
            self.world.add_host(name, ip)
            self.at[ip] = FakeReceiver(self.world)
            self.fabric.attach(ip, self.at[ip])
        self.chaos = Chaos(self.world)

    def begin(self, kind: str, /, **arguments: object) -> None:
        """Have a fault from now on, for ten seconds."""
        self.chaos.start([Fault(0.0, 10.0, kind, dict(arguments))])
        self.world.run(seconds=0.001)

    def count(self, source: str, destination: str, number: int = 1) -> int:
        """Send datagrams, and return how many arrive within a second."""
        receiver = self.at[destination]
        before = len(receiver.packets)
        for _ in range(number):
            self.fabric.send(datagram((source, 1), (destination, 2)))
        self.world.run(seconds=1)
        return len(receiver.packets) - before

    def end(self) -> None:
        self.world.run(seconds=20)
        assert [note.what for note in self.chaos.notes] == ["begins", "ends"]
        for source, destination in ((A, B), (B, C), (C, A)):
            assert self.count(source, destination) == 1


@pytest.fixture
def net() -> Net:
    return Net()


def test_partition(net: Net) -> None:
    net.begin("partition", one=["a"], other=["b", "c"])
    assert (net.count(A, B), net.count(C, A), net.count(B, C)) == (0, 0, 1)
    net.end()


def test_a_partition_goes_through_routers() -> None:
    net = Net()
    net.fabric.add_nat("1.1.1.1", A)
    net.fabric.add_nat("2.2.2.2", B)
    nat = net.fabric.nat_of(B)
    assert nat is not None
    nat.forward_port(7, (B, 7), udp=True)
    packet = datagram((A, 1), ("2.2.2.2", 7))
    net.begin("partition", one=["a"], other=["b"])
    net.fabric.send(packet)
    net.world.run(seconds=1)
    assert net.at[B].packets == []
    net.world.run(seconds=20)
    net.fabric.send(packet)
    net.world.run(seconds=1)
    assert len(net.at[B].packets) == 1


def test_one_way_cut(net: Net) -> None:
    net.begin("one-way cut", source="a", destination="b")
    assert (net.count(A, B), net.count(B, A), net.count(A, C)) == (0, 1, 1)
    net.end()


def test_flapping(net: Net) -> None:
    net.begin("flapping", hosts=["a"], up=1.0, down=1.0)
    # Each count takes a second.
    assert [net.count(A, B) for _ in range(4)] == [1, 0, 1, 0]
    net.end()


def test_loss(net: Net) -> None:
    net.begin("loss", hosts=["a"], probability=0.5)
    assert 20 < net.count(A, B, 100) < 80
    assert net.count(B, C, 100) == 100
    net.end()


def test_delay(net: Net) -> None:
    net.begin("delay", hosts=["a"], probability=0.5, least=2.0, most=3.0)
    assert 20 < net.count(B, A, 100) < 80
    assert net.count(B, C, 100) == 100
    net.world.run(seconds=3)
    assert len(net.at[A].packets) == 100
    net.end()


def test_clog(net: Net) -> None:
    net.begin("clog", hosts=["b"])
    assert net.count(A, B, 3) == 0
    net.world.run(seconds=8.5)
    assert net.count(A, B) == 4
    net.end()


def test_send_errors(net: Net) -> None:
    net.begin("send errors", host="a", error=errno.ENOBUFS, probability=0.5)
    results = {net.fabric.send(datagram((A, 1), (B, 2))) for _ in range(50)}
    assert results == {0, errno.ENOBUFS}
    assert net.fabric.send(datagram((B, 1), (A, 2))) == 0
    net.end()


def test_weather(net: Net) -> None:
    before = net.fabric.backbone
    net.begin("weather", reorder=0.0, duplicate=0.2)
    assert 105 < net.count(A, B, 100) < 140
    net.end()
    assert net.fabric.backbone == before


def test_slow_line(net: Net) -> None:
    before = net.fabric.set_access(Access(Link(bandwidth=10_000), Link()), A)
    net.begin("slow line", host="a", factor=0.1)
    # 29 bytes each, 1000 a second.
    assert 30 < net.count(A, B, 60) < 36
    net.end()
    line = net.fabric.line_of(A)
    assert line is before
    assert line is not None
    assert line.access.up.bandwidth == 10_000
    assert line.up.bytes_carried == 61 * 29


def test_a_slow_line_may_be_that_of_a_router(net: Net) -> None:
    net.fabric.add_nat("1.1.1.1", A)
    net.fabric.set_access(Access(Link(bandwidth=10_000), Link()), "1.1.1.1")
    net.begin("slow line", host="a", factor=0.1)
    assert 30 < net.count(A, B, 60) < 36


def test_a_host_without_a_line_is_as_fast_as_before(net: Net) -> None:
    net.begin("slow line", host="a", factor=0.1)
    assert net.count(A, B, 1000) == 1000
    net.end()


def test_forgetful_nat(net: Net) -> None:
    nat = net.fabric.add_nat("1.1.1.1", A)
    net.fabric.send(datagram((A, 1), (B, 2)))
    net.world.run(seconds=1)
    net.begin("forgetful nat", host="a")
    net.fabric.send(datagram((B, 2), ("1.1.1.1", 1)))
    net.world.run(seconds=1)
    assert net.at[A].packets == []
    assert nat.packets_kept_out == 1


def test_name_service(net: Net) -> None:
    network = net.world.hosts["a"].network
    net.world.names["b.example"] = [B]
    net.begin("name service", kind="refused", seconds=0.0, chance=1.0)
    with pytest.raises(OSError, match="name resolution"):
        network.resolve("b.example", 80, socket.SOCK_STREAM)
    net.end()
    [found] = network.resolve("b.example", 80, socket.SOCK_STREAM)
    assert found.address == (B, 80)


def test_every_kind_is_tested_here() -> None:
    tested = {name.removeprefix("test_").replace("_", " ") for name in globals()}
    assert {kind.replace("-", " ") for kind in NET_FAULTS} <= tested
