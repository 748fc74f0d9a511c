"""The tracker is lost for a while, with all that it knew."""

from __future__ import annotations

from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SwarmWorld, expect, need_hosts
from rawserver.simulation.world import World

LEAST_HOSTS = 2
HOSTS = 12
# By then those who came first know each other.
DIES_AFTER_SECONDS = 2.0
GONE_SECONDS = 45.0
MOST_SECONDS = 600.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """Who knows others goes on without the tracker; who came meanwhile gets all once it is back.

    Every other one announces by UDP.
    """
    need_hosts(hosts, LEAST_HOSTS)
    swarm = SwarmWorld(world, name="tracker", size=MIB)
    swarm.add_seed()
    early = [
        swarm.add_peer(kind="early peer", after=swarm.random.random(), by_udp=number % 2 == 1)
        for number in range(hosts // 2)
    ]
    world.run(seconds=DIES_AFTER_SECONDS)
    swarm.tracker_host.crash(silent=swarm.random.random() < 0.5)
    late = [
        swarm.add_peer(
            kind="late peer",
            after=swarm.random.uniform(0.1, GONE_SECONDS / 2),
            by_udp=number % 2 == 1,
        )
        for number in range(hosts - len(early))
    ]
    world.run(seconds=GONE_SECONDS)
    swarm.expect_complete(early, 0.0)
    expect(not any(each.pieces_have for each in late), "somebody found the swarm without a tracker")
    back_at = world.now
    swarm.boot_tracker()
    swarm.expect_complete(late, MOST_SECONDS)
    result = swarm.result()
    return result.with_facts(
        ("tracker gone after", f"{DIES_AFTER_SECONDS:g} s"),
        ("tracker back after", f"{back_at - swarm.began_at:.0f} s"),
    )
