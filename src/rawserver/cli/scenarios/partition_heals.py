"""The net falls into two parts for a while."""

from __future__ import annotations

from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SwarmWorld, expect, need_hosts
from rawserver.simulation.rules import partition
from rawserver.simulation.world import World

LEAST_HOSTS = 2
HOSTS = 10
# By then data flow between the parts, and the far one cannot complete itself.
FALLS_AFTER_SECONDS = 0.6
APART_SECONDS = 90.0
MOST_SECONDS = 900.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """The part without the seed waits, the other goes on; healed, all get everything."""
    need_hosts(hosts, LEAST_HOSTS)
    swarm = SwarmWorld(world, name="parts", size=2 * MIB)
    seed = swarm.add_seed()
    near = [swarm.add_peer(kind="near peer") for _ in range(hosts // 2)]
    far = [swarm.add_peer(kind="far peer") for _ in range(hosts - len(near))]
    world.run(seconds=FALLS_AFTER_SECONDS)
    here = [swarm.tracker_host, seed.host, *(each.host for each in near)]
    with world.fabric.rules.add(partition(here, [each.host for each in far])):
        swarm.expect_complete(near, APART_SECONDS)
        world.run(until=swarm.began_at + FALLS_AFTER_SECONDS + APART_SECONDS)
        expect(
            all(each.completed_at is None for each in far),
            "a peer that nobody could reach is complete",
        )
    healed_at = world.now
    swarm.expect_complete(far, MOST_SECONDS)
    last = max(each.completed_at or 0.0 for each in far)
    return swarm.result().with_facts(
        ("healed after", f"{healed_at - swarm.began_at:.1f} s"),
        ("all complete so long after it healed", f"{last - healed_at:.1f} s"),
    )
