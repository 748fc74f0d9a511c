"""A fifth of the peers take and do not give."""

from __future__ import annotations

from typing import Any

from rawserver.cli.scenarios.participant import SwarmFetch
from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import KIB, MIB, SwarmWorld, expect, need_hosts
from rawserver.services.peer import Peer
from rawserver.simulation.presets import CABLE
from rawserver.simulation.world import World
from rawserver.swarm.choker import SLOTS

LEAST_HOSTS = 3
HOSTS = 15
FREE_RIDERS = 0.2
# So little that many of the choker's rounds pass, and less than the lines take: on an uplink that
# is full all acknowledgements are late, so that who gives is slower for that alone.
UPLOAD_LIMIT = 40 * KIB
# Each has something to give from the start. While all wait for the seed's next piece it is the
# seed that decides, which gives to everybody in turn.
BEGINS_WITH = 0.3
MOST_SECONDS = 1800.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """Who gives nothing gets everything later than those who give."""
    need_hosts(hosts, LEAST_HOSTS)
    swarm = SwarmWorld(world, name="riders", size=4 * MIB, piece_length=32 * KIB)
    swarm.add_seed(CABLE, upload_limit=UPLOAD_LIMIT)
    riders = max(1, round(hosts * FREE_RIDERS))
    for number in range(hosts):
        rides = number * riders // hosts != (number + 1) * riders // hosts
        swarm.add_peer(
            CABLE,
            kind="free rider" if rides else "peer",
            fetch_type=FreeRider if rides else SwarmFetch,
            after=swarm.random.random(),
            begins_with=BEGINS_WITH,
            upload_limit=UPLOAD_LIMIT,
            # Else those who give would go on as seeds, which ask for nothing in return.
            seed_time=0.0,
        )
    swarm.expect_complete(swarm.participants, MOST_SECONDS)
    result = swarm.result()
    giving, riding = result.median_seconds("peer"), result.median_seconds("free rider")
    # With fewer there is a slot for everybody, whatever he gives.
    if hosts > SLOTS + riders:
        text = f"who gives was complete after {giving:.1f} s, the others after {riding:.1f} s"
        expect(giving < riding, text)
    return result.with_facts(
        ("half of those who give complete after", f"{giving:.1f} s"),
        ("half of the free riders complete after", f"{riding:.1f} s"),
    )


class FreeRider(SwarmFetch):
    """Unchokes nobody."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        upload = self._torrent.upload
        upload.start = nothing  # type: ignore[method-assign]
        upload.interest_changed = nothing  # type: ignore[method-assign]


def nothing(peer: Peer | None = None) -> None:
    """Leave everybody choked."""
