"""Most peers are behind routers that let nobody in."""

from __future__ import annotations

from rawserver.cli.scenarios.participant import PEER_PORT
from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SwarmWorld, expect, need_hosts
from rawserver.simulation.nat import PORT_RESTRICTED_CONE, SYMMETRIC
from rawserver.simulation.presets import DSL
from rawserver.simulation.world import World

LEAST_HOSTS = 6
HOSTS = 10
MOST_SECONDS = 900.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """Those whom nobody can dial get everything all the same, and give as well."""
    need_hosts(hosts, LEAST_HOSTS)
    swarm = SwarmWorld(world, name="homes", size=MIB)
    seed = swarm.add_seed(DSL)
    num_open = max(2, hosts // 3)
    for _ in range(num_open):
        swarm.add_peer(DSL, kind="open peer")
    kept_out = []
    # Two in each home, which listen on ports of their own.
    for number in range(max(1, hosts - num_open)):
        if number % 2 == 0:
            public_ip = f"198.19.0.{number + 1}"
            world.fabric.set_access(DSL, public_ip)
            kind = SYMMETRIC if number % 4 else PORT_RESTRICTED_CONE
            nat = world.fabric.add_nat(public_ip, kind=kind)
            kept_out.append(nat)
        peer = swarm.add_peer(
            kind="peer behind a NAT",
            after=swarm.random.uniform(0.1, 2.0),
            port=PEER_PORT + number % 2,
            # One of each home asks the tracker by UDP, through the same router.
            by_udp=number % 2 == 1,
        )
        world.fabric.put_behind(nat, *peer.host.addresses)
    hidden = swarm.of_kind("peer behind a NAT")
    swarm.expect_complete(swarm.participants, MOST_SECONDS)
    packets = sum(nat.packets_kept_out for nat in kept_out)
    expect(packets, "nobody tried to dial a peer behind a NAT")
    given = sum(each.uploaded for each in hidden)
    expect(given, "those behind a NAT gave nothing")
    expect(seed.uploaded < hosts * len(swarm.content), "the seed gave everything to everybody")
    return swarm.result().with_facts(
        ("packets that routers kept out", str(packets)),
        ("share of uploads of those behind them", f"{given / swarm.result().uploaded:.1%}"),
    )
