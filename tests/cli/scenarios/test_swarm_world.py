import pytest

from rawserver.cli.scenarios.participant import CONTENT_PATH
from rawserver.cli.scenarios.swarm_world import (
    KIB,
    TRACKER_UDP_PORT,
    ScenarioFailed,
    SwarmWorld,
    expect,
    need_hosts,
)
from rawserver.simulation import Pass
from rawserver.simulation.packet import Packet
from rawserver.simulation.presets import LAN
from rawserver.simulation.world import World


def small_swarm(seed: int = 1) -> SwarmWorld:
    return SwarmWorld(World(seed), size=200 * KIB, piece_length=32 * KIB)


def test_a_peer_gets_everything_from_a_seed() -> None:
    swarm = small_swarm()
    swarm.add_seed(LAN)
    peer = swarm.add_peer(LAN)
    swarm.expect_complete([peer], 60.0)
    result = swarm.result()
    assert [each.kind for each in result.peers] == ["seed", "peer"]
    assert [each.began_complete for each in result.peers] == [True, False]
    assert result.peers[1].downloaded == result.peers[0].uploaded == 200 * KIB


def test_the_content_follows_from_the_seed() -> None:
    assert small_swarm(1).content == small_swarm(1).content
    assert small_swarm(1).content != small_swarm(2).content


def test_who_is_not_complete_is_named() -> None:
    swarm = small_swarm()
    peer = swarm.add_peer(LAN)
    with pytest.raises(ScenarioFailed, match=r"after 5 seconds: swarm-peer-0 \(0 pieces\)"):
        swarm.expect_complete([peer], 5.0)


def test_other_bytes_on_a_disk_are_seen() -> None:
    swarm = small_swarm()
    seed = swarm.add_seed(LAN)
    swarm.expect_complete([seed], 5.0)
    seed.host.disk.put(CONTENT_PATH, bytes(200 * KIB))
    with pytest.raises(ScenarioFailed, match="swarm-seed-0 has other bytes"):
        swarm.expect_complete([seed], 5.0)


def test_a_fault_in_a_handler_is_seen() -> None:
    swarm = small_swarm()
    seed = swarm.add_seed(LAN)

    def fail() -> None:
        raise ZeroDivisionError

    seed.host.raw_servers[0].add_task(fail)
    swarm.world.run(seconds=1.0)
    with pytest.raises(ScenarioFailed, match="ZeroDivisionError"):
        swarm.result()


def test_a_peer_may_begin_with_a_part() -> None:
    swarm = small_swarm()
    peer = swarm.add_peer(LAN, begins_with=0.5)
    assert swarm.wait_until(lambda: peer.kept is not None, 5.0)
    assert peer.kept is not None
    assert peer.kept.count == round(swarm.metainfo.num_pieces * 0.5)


def test_a_peer_may_come_later() -> None:
    swarm = small_swarm()
    peer = swarm.add_peer(LAN, after=3.0)
    swarm.world.run(seconds=2.9)
    assert peer.fetch is None
    swarm.world.run(seconds=0.2)
    assert peer.fetch is not None


def test_what_is_awaited_may_never_be() -> None:
    swarm = small_swarm()
    began_at = swarm.world.now
    assert not swarm.wait_until(lambda: False, 2.0)
    assert swarm.world.now == began_at + 2.0


def test_a_world_may_hold_several_swarms() -> None:
    world = World(1)
    for name in ("first", "second"):
        swarm = SwarmWorld(world, size=100 * KIB, name=name)
        swarm.add_seed(LAN)
        swarm.expect_complete([swarm.add_peer(LAN)], 60.0)
        swarm.switch_off()
        assert not any(host.is_up for host in world.hosts.values())


def test_what_is_expected_and_is_so_is_no_failure() -> None:
    expect([1], "never told")
    with pytest.raises(ScenarioFailed, match="nothing"):
        expect([], "nothing")


def test_too_few_hosts_are_refused() -> None:
    need_hosts(4, 4)
    with pytest.raises(ValueError, match="needs 4 hosts at least, not 3"):
        need_hosts(3, 4)


def test_a_peer_may_announce_by_udp() -> None:
    swarm = small_swarm()
    swarm.add_seed(LAN)
    peers = [swarm.add_peer(LAN, by_udp=True), swarm.add_peer(LAN)]
    asked = set()

    def watch(packet: Packet) -> Pass:
        if packet.destination == (swarm.tracker_host.addresses[0], TRACKER_UDP_PORT):
            asked.add(packet.source[0])
        return Pass()

    swarm.world.fabric.rules.add(watch)
    swarm.expect_complete(peers, 60.0)
    assert asked == set(peers[0].host.addresses)
