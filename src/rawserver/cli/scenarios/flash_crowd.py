"""A flash crowd: everybody comes within one second."""

from __future__ import annotations

from math import log2

from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SEED_ACCESS, SwarmWorld, expect
from rawserver.simulation.presets import CABLE, DSL
from rawserver.simulation.world import World

HOSTS = 20
MOST_SECONDS = 600.0
# How much longer than the lines allow it may take: pieces must be whole before they are passed
# on, and nobody knows the others at first.
MOST_TIMES_IDEAL = 4.0
GREETING_SECONDS = 2.0
# In a crowd of twice as many each piece has to be passed on once more.
DOUBLING_SECONDS = 1.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """A crowd that comes at once is served within a few times what its lines allow."""
    swarm = SwarmWorld(world, name="crowd", size=MIB)
    swarm.add_seed()
    up = SEED_ACCESS.up.bandwidth or 0.0
    for number in range(hosts):
        line = (CABLE, DSL)[number % 2]
        up += line.up.bandwidth or 0.0
        swarm.add_peer(line, after=swarm.random.random())
    swarm.expect_complete(swarm.participants, MOST_SECONDS)
    result = swarm.result()
    # No swarm is faster than its seed can send everything once, and all can send everything.
    seed_up = SEED_ACCESS.up.bandwidth or 0.0
    ideal = max(result.size / seed_up, hosts * result.size / up)
    last = max(time for time, _ in result.completions())
    most = GREETING_SECONDS + MOST_TIMES_IDEAL * ideal
    most += DOUBLING_SECONDS * max(0.0, log2(hosts / HOSTS))
    expect(last <= most, f"the last was complete after {last:.1f} s, which may be {most:.1f} s")
    return result.with_facts(
        ("last complete after", f"{last:.2f} s"), ("the lines allow", f"{ideal:.2f} s")
    )
