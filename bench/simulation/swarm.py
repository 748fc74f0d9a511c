"""A swarm on lines as homes have, from one seed until everybody is complete."""

from bench.simulation.run_time import HEADER, KIB, MIB, resident_bytes, timed
from bench.table import table
from rawserver.cli.scenarios.swarm_world import SwarmWorld
from rawserver.simulation import World

# What the issue names; less of it is said to be so much less.
ALL_PEERS, ALL_BYTES = 1000, 64 * MIB
LONGEST_SECONDS = 24 * 3600.0


def piece_length_of(size: int) -> int:
    """Return the usual length: some hundred pieces, 16 KiB at least."""
    length = 16 * KIB
    while size > 1000 * length:
        length *= 2
    return length


def measure(peers: int, size: int, piece_length: int, seed: int) -> str:
    """Return a table of how fast so many peers fetch so many bytes."""
    world = World(seed)
    before = resident_bytes()
    swarm = SwarmWorld(world, size=size, piece_length=piece_length)
    swarm.add_seed()
    others = [swarm.add_peer() for _ in range(peers)]
    with timed(world) as run_time:
        swarm.wait_until(lambda: all(peer.completed_at for peer in others), LONGEST_SECONDS)
    complete = sum(peer.completed_at is not None for peer in others)
    assert complete == peers, f"{complete} of {peers} are complete"
    memory = (resident_bytes() - before) / MIB
    row = [
        f"{peers:,} of {size // MIB} MiB in {piece_length // KIB} KiB",
        *run_time.cells(),
        f"{memory:,.0f}",
    ]
    text = table(["peers", *HEADER, "MiB of memory"], [row])
    factor = ALL_PEERS * ALL_BYTES / (peers * size)
    if factor > 1:
        minutes = run_time.cpu_seconds * factor / 60
        text += (
            f"\n\nIn proportion to the bytes, {ALL_PEERS:,} peers of {ALL_BYTES // MIB} MiB would "
            f"take {minutes:.1f} minutes; the more peers, the more is announced for each piece."
        )
    return text
