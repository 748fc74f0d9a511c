"""The only seed leaves as soon as each piece is out there once."""

from __future__ import annotations

from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SwarmWorld, expect, need_hosts
from rawserver.simulation.world import World
from rawserver.swarm.bitfield import Bitfield

LEAST_HOSTS = 4
HOSTS = 10
MOST_SECONDS = 600.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """The peers complete each other when the seed is gone, if only each piece is out there."""
    need_hosts(hosts, LEAST_HOSTS)
    swarm = SwarmWorld(world, name="orphans", size=2 * MIB)
    seed = swarm.add_seed()
    peers = [swarm.add_peer(after=swarm.random.random()) for _ in range(hosts)]
    out = swarm.wait_until(lambda: pieces_out(swarm).is_full, MOST_SECONDS)
    expect(out, f"after {MOST_SECONDS:g} s a piece was with the seed alone")
    left_at = world.now
    incomplete = sum(each.completed_at is None for each in peers)
    if swarm.random.random() < 0.5:
        seed.leave()
    else:
        seed.crash()
    swarm.expect_complete(peers, MOST_SECONDS)
    return swarm.result().with_facts(
        ("the seed left after", f"{left_at - swarm.began_at:.2f} s"),
        ("peers that lacked something then", str(incomplete)),
    )


def pieces_out(swarm: SwarmWorld) -> Bitfield:
    """Return the pieces that peers have."""
    found = Bitfield(swarm.metainfo.num_pieces)
    for each in swarm.of_kind("peer"):
        if each.fetch is not None:
            for index in each.fetch.have.without(found):
                found.set(index)
    return found
