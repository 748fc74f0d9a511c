import pytest

from kit.fake_world import FakeReceiver, FakeWorld
from rawserver.simulation.latency import Constant, Uniform
from rawserver.simulation.link import Access, Link
from rawserver.simulation.packet import Packet
from rawserver.simulation.topology import LOOPBACK_SECONDS, MANY_PATHS, Topology

A, B = "10.0.0.1", "10.0.0.2"


class Map:
    """A topology that sends nothing."""

    def __init__(self) -> None:
        self.world = FakeWorld()
        self.sent: list[Packet] = []
        self.topology = Topology(self.world, self.sent.append)
        self.receiver = FakeReceiver(self.world)


@pytest.fixture
def map_() -> Map:
    return Map()


def test_paths_are_kept_until_something_changes(map_: Map) -> None:
    topology = map_.topology
    path = topology.make_path(A, B)
    other = topology.make_path(B, A)
    assert topology.paths == {A: {B: path}, B: {A: other}}
    topology.set_access(Access(Link(Constant(1)), Link()), (A,))
    assert topology.paths == {B: {}}
    assert topology.make_path(A, B).delay == 1.02
    topology.set_backbone(Link(Constant(5)))
    assert topology.paths == {}
    assert topology.make_path(A, B).delay == 6


def test_paths_to_many_are_forgotten_when_nothing_is_on_them(map_: Map) -> None:
    topology = map_.topology
    busy = topology.make_path(A, B)
    busy.last = map_.world.now + 1
    for number in range(MANY_PATHS + 10):
        topology.make_path(A, f"10.1.{number // 250}.{number % 250}")
    assert len(topology.paths[A]) < 20
    assert topology.paths[A][B] is busy


def test_paths_of_streams_are_kept(map_: Map) -> None:
    topology = map_.topology
    for number in range(2 * MANY_PATHS):
        topology.make_path(A, f"10.1.{number // 250}.{number % 250}").burst_bytes()
    kept = topology.paths[A].copy()
    assert len(kept) == 2 * MANY_PATHS
    for number in range(4 * MANY_PATHS):
        topology.make_path(A, f"10.2.{number // 250}.{number % 250}")
        assert len(topology.paths[A]) <= 4 * MANY_PATHS
    assert topology.paths[A].items() >= kept.items()


def test_a_link_of_its_own_is_for_one_pair(map_: Map) -> None:
    topology = map_.topology
    topology.set_backbone(Link(Constant(1)))
    topology.set_link(A, B, Link(Constant(5)))
    assert topology.make_path(A, B).delay == 5
    assert topology.make_path(A, "10.0.0.3").delay == topology.make_path(B, A).delay == 1
    topology.set_link(A, B, None)
    assert topology.make_path(A, B).delay == 1


def test_addresses_of_one_host_are_near(map_: Map) -> None:
    map_.topology.place(A, map_.receiver)
    map_.topology.place(B, map_.receiver)
    assert map_.topology.make_path(A, B).delay == LOOPBACK_SECONDS
    map_.topology.place(B, FakeReceiver(map_.world))
    assert map_.topology.make_path(A, B).delay > LOOPBACK_SECONDS


def test_one_more_host_does_not_change_the_chance_of_others(map_: Map) -> None:
    def draws(*hosts: str) -> list[float]:
        topology = Topology(FakeWorld(), map_.sent.append)
        topology.set_backbone(Link(Uniform(0, 1)))
        for host in hosts:
            topology.set_access(Access(Link(Uniform(0, 1)), Link()), (host,))
        [up, backbone] = topology.make_path(A, B).directions
        return [up.sample(), backbone.sample()]

    assert draws(A) == draws("10.0.0.9", A, B)


def test_only_a_line_can_change(map_: Map) -> None:
    line = map_.topology.set_access(Access(Link(Constant(1)), Link()), (A,))
    assert map_.topology.make_path(A, B).delay == 1.02
    map_.topology.change_access(Access(Link(Constant(2)), Link()), (A,))
    assert map_.topology.make_path(A, B).delay == 2.02
    assert map_.topology.at(A).line is line
    with pytest.raises(ValueError, match="no line"):
        map_.topology.change_access(Access(Link(), Link()), (B,))


def test_what_belongs_to_an_address_stays_when_its_host_is_gone(map_: Map) -> None:
    line = map_.topology.set_access(Access(Link(), Link()), (A,))
    map_.topology.place(A, map_.receiver)
    map_.topology.place(A, None)
    map_.topology.place(A, FakeReceiver(map_.world))
    assert map_.topology.at(A).line is line
    map_.topology.set_access(None, (A,))
    assert map_.topology.at(A).line is None
