"""A swarm in bad weather: lines, names, clocks, disks and machines fail, as the seed wants."""

from __future__ import annotations

from rawserver.cli.scenarios.participant import Participant
from rawserver.cli.scenarios.swarm_result import SwarmResult
from rawserver.cli.scenarios.swarm_world import MIB, SwarmWorld, expect
from rawserver.services.storage import StorageError
from rawserver.simulation.chaos import Chaos, plan
from rawserver.simulation.fault import Fault
from rawserver.simulation.host import Host
from rawserver.simulation.presets import access
from rawserver.simulation.world import World

HOSTS = 6
# So slow that most is still to be moved when it all begins.
SEED_LINE = access(16, 1)
BAD_SECONDS = 60.0
# A tracker that died knows nobody, and announces are a minute apart; then the rest has to come.
GOOD_SECONDS = 900.0


def scenario(world: World, hosts: int = HOSTS) -> SwarmResult:
    """When all is well again everybody gets everything, whatever went wrong before."""
    swarm = SwarmWorld(world, name="weather", size=2 * MIB)
    swarm.add_seed(SEED_LINE)
    for number in range(hosts):
        swarm.add_peer(by_udp=number % 2 == 1)
    by_host = {each.host: each for each in swarm.participants}

    def reboot(host: Host) -> None:
        if host is swarm.tracker_host:
            swarm.boot_tracker()
        else:
            by_host[host].boot()

    chaos = Chaos(world, reboot=reboot)
    faults = [
        fault
        for fault in plan(world.seed, list(chaos.hosts), BAD_SECONDS)
        if not is_for_the_operator(fault)
    ]
    chaos.start(faults)
    world.run(seconds=BAD_SECONDS)
    chaos.stop()
    restarted = [each.name for each in swarm.participants if start_again(each)]
    swarm.expect_complete(swarm.participants, GOOD_SECONDS)
    return swarm.result().with_facts(
        ("faults", str(len(faults))),
        ("of kinds", ", ".join(sorted({fault.kind for fault in faults})) or "none"),
        ("clients that ended and were started again", ", ".join(restarted) or "none"),
    )


def is_for_the_operator(fault: Fault) -> bool:
    """Tell whether a loop has to report it as an error, which would count against the run."""
    return fault.kind == "call errors" and fault.arguments["call"] == "accept"


def start_again(peer: Participant) -> bool:
    """Do as a person does with a client that has ended because of its disk."""
    if peer.error is None:
        return False
    expect(isinstance(peer.error, StorageError), f"{peer.name} ended: {peer.error!r}")
    peer.error = None
    peer.crash(silent=False)
    peer.boot()
    return True
