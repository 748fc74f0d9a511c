"""A swarm from one seed: the more there are, the less of it is the seed's work."""

from __future__ import annotations

from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SwarmWorld, expect, need_hosts
from rawserver.simulation.world import World

LEAST_HOSTS = 4
HOSTS = 12
# They come within so many seconds.
ARRIVAL_SECONDS = 5.0
MOST_SECONDS = 600.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """All get everything from one seed, whose share of the uploads falls as they are more."""
    need_hosts(hosts, LEAST_HOSTS)
    few = run_swarm(world, "few", max(2, hosts // 4))
    many = run_swarm(world, "many", hosts)
    small, large = few.share_of_uploads("seed"), many.share_of_uploads("seed")
    expect(
        large < small,
        f"the seed gave {small:.0%} to {len(few.peers) - 1} and {large:.0%} to {hosts} peers",
    )
    return many.with_facts(
        ("seed's share of all uploads", f"{large:.1%}"),
        (f"the same with {len(few.peers) - 1} peers", f"{small:.1%}"),
    )


def run_swarm(world: World, name: str, peers: int) -> SwarmResult:
    """Return what came of a swarm in which all got everything; its hosts are gone then."""
    swarm = SwarmWorld(world, name=name, size=MIB)
    swarm.add_seed()
    for _ in range(peers):
        swarm.add_peer(after=swarm.random.uniform(0.1, ARRIVAL_SECONDS))
    swarm.expect_complete(swarm.participants, MOST_SECONDS)
    result = swarm.result()
    swarm.switch_off()
    return result
