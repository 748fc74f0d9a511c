from rawserver.cli.scenarios.participant import Participant
from rawserver.cli.scenarios.swarm_world import KIB, SwarmWorld
from rawserver.simulation.presets import LAN
from rawserver.simulation.world import World


def complete_peer() -> tuple[SwarmWorld, Participant]:
    swarm = SwarmWorld(World(1), size=100 * KIB, piece_length=32 * KIB)
    swarm.add_seed(LAN)
    peer = swarm.add_peer(LAN)
    swarm.expect_complete([peer], 60.0)
    return swarm, peer


def test_what_it_did_outlives_a_crash() -> None:
    swarm, peer = complete_peer()
    completed_at = peer.completed_at
    peer.crash(silent=False)
    assert peer.fetch is None
    assert not peer.is_checked
    assert peer.downloaded == 100 * KIB
    peer.boot()
    assert swarm.wait_until(lambda: peer.is_checked, 10.0)
    assert peer.downloaded == 100 * KIB
    assert peer.completed_at == completed_at


def test_it_knows_what_it_kept() -> None:
    swarm, peer = complete_peer()
    peer.crash(silent=False)
    peer.boot()
    assert peer.kept is None
    assert swarm.wait_until(lambda: peer.kept is not None, 10.0)
    assert peer.kept is not None
    assert peer.kept.is_full


def test_reading_its_disk_takes_no_time_and_needs_no_file() -> None:
    swarm, peer = complete_peer()
    now = swarm.world.now
    assert peer.read_content() == swarm.content
    assert swarm.world.now == now
    assert swarm.add_peer(LAN).read_content() == b""


def test_who_leaves_has_ended_without_an_error() -> None:
    swarm, peer = complete_peer()
    peer.leave()
    swarm.world.run(seconds=10.0)
    assert peer.error is None
    assert swarm.result().peers[1].seconds is not None
