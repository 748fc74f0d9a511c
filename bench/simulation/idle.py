"""Memory of hosts on which nothing happens: each with a RawServer that listens."""

import gc

from bench.simulation.run_time import HEADER, KIB, resident_bytes, timed
from bench.table import table
from rawserver import RawServer
from rawserver.simulation import World
from rawserver.simulation.presets import DSL

IDLE_SECONDS = 3600.0


class Nobody:
    """Never called."""

    def external_connection_made(self, connection: object) -> None:
        raise AssertionError


def listen(raw_server: RawServer) -> None:
    """Listen on a port."""
    raw_server.start_listening(raw_server.create_serversocket(6881), Nobody())


def measure(hosts: int, seed: int) -> str:
    """Return a table of what so many idle hosts take."""
    world = World(seed)
    gc.collect()
    before = resident_bytes()
    for number in range(hosts):
        ip = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        world.fabric.set_access(DSL, ip)
        world.add_host(f"host{number}", ip).boot(listen)
    with timed(world) as run_time:
        world.run(seconds=IDLE_SECONDS)
    gc.collect()
    each = (resident_bytes() - before) / hosts / KIB
    row = [f"{hosts:,} idle for an hour", f"{each:.1f}", *run_time.cells()[:2]]
    return table(["hosts", "KiB each", *HEADER[:2]], [row])
