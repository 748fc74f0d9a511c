"""At the end some pieces are with peers that are very slow."""

from __future__ import annotations

from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SwarmWorld, expect, need_hosts
from rawserver.simulation.presets import CABLE, access
from rawserver.simulation.world import World
from rawserver.swarm.block_requests import ENDGAME_DEPTH
from rawserver.swarm.request_pipeline import BLOCK_LENGTH_BYTES, FIRST_DEPTH

LEAST_HOSTS = 5
HOSTS = 8
SLOW_SEEDS = 4
# A block takes it so long: more than eight seconds, and eight are asked for at once.
SLOW = access(16, 0.016)
FAST = access(100, 10)
MOST_SECONDS = 600.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """What slow peers were asked for is had from others: nobody waits for them at the end."""
    need_hosts(hosts, LEAST_HOSTS)
    swarm = SwarmWorld(world, name="endgame", size=2 * MIB)
    swarm.add_seed(FAST, kind="fast seed")
    for _ in range(SLOW_SEEDS):
        swarm.add_seed(SLOW, kind="slow seed")
    peers = [swarm.add_peer(CABLE) for _ in range(max(1, hosts - SLOW_SEEDS))]
    swarm.expect_complete(peers, MOST_SECONDS)
    result = swarm.result()
    last = max(time for time, _ in result.completions())
    # What the slow ones alone would take for what they were asked at first.
    slow = FIRST_DEPTH * BLOCK_LENGTH_BYTES / (SLOW.up.bandwidth or 1.0)
    expect(last < slow / 2, f"complete after {last:.1f} s; a slow peer's share takes {slow:.1f} s")
    others = len(swarm.participants) - 1
    for each in peers:
        wasted = each.downloaded - result.size
        most = others * ENDGAME_DEPTH * BLOCK_LENGTH_BYTES
        expect(wasted <= most, f"{each.name} had {wasted} bytes twice, which may be {most}")
    return result.with_facts(
        ("last complete after", f"{last:.2f} s"),
        ("a slow peer alone would take for its first blocks", f"{slow:.1f} s"),
    )
