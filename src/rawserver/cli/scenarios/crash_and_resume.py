"""Peers crash at random and go on where they were."""

from __future__ import annotations

import hashlib

from rawserver.cli.scenarios.participant import Participant
from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SwarmWorld, expect
from rawserver.simulation.presets import access
from rawserver.simulation.world import World
from rawserver.swarm.bitfield import Bitfield

HOSTS = 8
# So slow that it takes longer than a peer waits before it notes what it has.
SEED_LINE = access(16, 0.4)
PEER_LINE = access(16, 2)
DOWN_SECONDS = 5.0
# By then a client may have noted that it is complete, or not yet.
NOTED_SECONDS = 2.0
CRASHES = 6
MOST_SECONDS = 1800.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """Who crashes has what is right on its disk, no more and no less, and fetches the rest."""
    swarm = SwarmWorld(world, name="crashes", size=2 * MIB)
    swarm.add_seed(SEED_LINE)
    peers = [swarm.add_peer(PEER_LINE, after=swarm.random.random()) for _ in range(hosts)]
    lost = sum(crash_one(swarm, peers, silent=number % 2 == 0) for number in range(CRASHES))
    swarm.expect_complete(peers, MOST_SECONDS)
    cut_all_power(swarm, peers)
    return swarm.result().with_facts(
        ("crashes", str(CRASHES)), ("verified pieces lost with the power", str(lost))
    )


def cut_all_power(swarm: SwarmWorld, peers: list[Participant]) -> None:
    """Have all that are complete lose power: who noted that keeps it, without a look at it."""
    swarm.world.run(seconds=swarm.random.uniform(0.0, NOTED_SECONDS))
    for peer in peers:
        peer.crash()
    there = {peer: right_pieces(swarm, peer) for peer in peers}
    swarm.world.run(seconds=DOWN_SECONDS)
    for peer in peers:
        restart(swarm, peer, there[peer])
    everything = swarm.metainfo.num_pieces
    full = swarm.wait_until(lambda: all(p.pieces_have == everything for p in peers), MOST_SECONDS)
    expect(full, "what was lost with the power did not come again")
    swarm.expect_complete(peers, 0.0)


def crash_one(swarm: SwarmWorld, peers: list[Participant], *, silent: bool) -> int:
    """Have one crash in a while and start again; returns how many verified pieces it lost."""
    world = swarm.world
    world.run(seconds=swarm.random.uniform(1.0, 15.0))
    peer = swarm.random.choice(peers)
    verified = Bitfield(swarm.metainfo.num_pieces) if peer.fetch is None else peer.fetch.have.copy()
    peer.crash(silent=silent)
    there = right_pieces(swarm, peer)
    world.run(seconds=swarm.random.uniform(0.0, DOWN_SECONDS))
    kept = restart(swarm, peer, there)
    lost = list(verified.without(kept))
    if not silent:
        expect(
            not lost, f"{peer.name} was killed and has lost pieces {lost}, which are on its disk"
        )
    return len(lost)


def restart(swarm: SwarmWorld, peer: Participant, there: Bitfield) -> Bitfield:
    """Start one again; returns the pieces that it believes to have, which must be right."""
    peer.boot()
    expect(swarm.wait_until(lambda: peer.kept is not None, 10.0), f"{peer.name} does not start")
    assert peer.kept is not None
    wrong = list(peer.kept.without(there))
    expect(not wrong, f"{peer.name} believes to have pieces {wrong}, which are not on its disk")
    return peer.kept


def right_pieces(swarm: SwarmWorld, peer: Participant) -> Bitfield:
    """Return the pieces that are whole on somebody's disk."""
    metainfo = swarm.metainfo
    content = peer.read_content()
    right = Bitfield(metainfo.num_pieces)
    for index in range(metainfo.num_pieces):
        start = index * metainfo.piece_length
        piece = content[start : start + metainfo.piece_length]
        if hashlib.sha1(piece, usedforsecurity=False).digest() == metainfo.piece_hash(index):
            right.set(index)
    return right
