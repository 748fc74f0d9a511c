"""A machine of the simulated internet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rawserver.engine.config import Config
from rawserver.engine.rawserver import RawServer
from rawserver.simulation.clock import HostClock
from rawserver.simulation.cost_meter import CostMeter
from rawserver.simulation.disk import SimulatedDisk
from rawserver.simulation.kernel import Kernel
from rawserver.simulation.limits import MachineLimits
from rawserver.simulation.names import Names, Resolver
from rawserver.simulation.poller import SimulatedPoller
from rawserver.simulation.simulated_network import SimulatedNetwork
from rawserver.simulation.socket_addresses import canonical_ip, is_loopback

if TYPE_CHECKING:
    from rawserver.simulation.unix_socket import UnixSocket
    from rawserver.simulation.world import World

# An idle turn of RawServer, of which few things came out, on a computer of today.
TURN_SECONDS = 10e-6

Program = Callable[[RawServer], object]


class Host:
    """One machine: its addresses, its kernel, its disk and its one process.

    `network` is what a RawServer on it runs on, until the host crashes: after a reboot there is
    another. `reports` are what its RawServers told: (time, level, text).
    """

    def __init__(self, world: World, name: str, addresses: tuple[str, ...]) -> None:
        self.world = world
        self.name = name
        self.addresses = tuple(canonical_ip(one) for one in addresses)
        if any(is_loopback(one) for one in self.addresses):
            raise ValueError("every host has the loopback addresses anyhow")
        self.random = world.child_random(f"host {name}")
        self.limits = MachineLimits()
        self.clock = HostClock(world)
        self.meter = CostMeter()
        # What a turn of a RawServer takes besides what it spends on the meter. More than 0: a loop
        # that is never idle would else stand still in time.
        self.turn_seconds = TURN_SECONDS
        self.disk = SimulatedDisk(
            world.child_random(f"disk {name}"), self.clock, self.meter, pool=world.blocks
        )
        # Names that this host alone knows (its /etc/hosts), ahead of those of the world.
        self.names = Names()
        chance = world.child_random(f"resolver {name}")
        self.resolver = Resolver(world.names, chance, self.meter, self.names)
        # Who listens at a path; None where a file has stayed behind.
        self.unix_names: dict[str, UnixSocket | None] = {}
        self.reports: list[tuple[float, int, str]] = []
        self.raw_servers: list[RawServer] = []
        self.is_up = False
        self.kernel: Kernel
        self.network: SimulatedNetwork
        self._start()

    def __repr__(self) -> str:
        return f"<Host {self.name} {', '.join(self.addresses)}>"

    def address_like(self, ip: str) -> str | None:
        """Return its first address of the family of another; None if it has none."""
        return next((one for one in self.addresses if (":" in one) == (":" in ip)), None)

    def _start(self) -> None:
        self.kernel = Kernel(self)
        self.network = SimulatedNetwork(self)
        for ip in self.addresses:
            self.world.fabric.attach(ip, self.kernel)
        self.is_up = True

    # Programs.

    def boot(self, program: Program, config: Config | None = None) -> RawServer:
        """Begin a RawServer that the world turns: `program(raw_server)` is called now."""
        if not self.is_up:
            self._start()
        raw_server = RawServer(config=config, network=self.network, errorfunc=self._report)
        self.raw_servers.append(raw_server)
        poller = raw_server.poller
        assert isinstance(poller, SimulatedPoller)
        self.network.watch(raw_server.doneflag, raw_server._mailbox.wakeup)
        program(raw_server)
        poller.drive(raw_server)
        return raw_server

    def _report(self, level: int, text: str) -> None:
        self.reports.append((self.world.now, level, text))

    def pause(self) -> None:
        """Stop its process, as SIGSTOP does: its kernel goes on."""
        for poller in self._pollers():
            poller.pause()

    def resume(self) -> None:
        """Have its process go on."""
        for poller in self._pollers():
            poller.resume()

    def _pollers(self) -> list[SimulatedPoller]:
        pollers = (raw_server.poller for raw_server in self.raw_servers)
        return [poller for poller in pollers if isinstance(poller, SimulatedPoller)]

    # The end of them.

    def crash(self, *, silent: bool = True) -> None:
        """Lose its process and all that it had in memory; no handler hears of it.

        Silently it is as if the power was cut: peers hear nothing more, and what was written to
        the disk but not synchronized may be lost. Else its process was killed: its kernel resets
        every connection, and goes on.
        """
        for poller in self._pollers():
            poller.stop()
        self.raw_servers.clear()
        self.network.workers.stop()
        self.network.look_ups.stop()
        if silent:
            for ip in self.addresses:
                self.world.fabric.detach(ip)
            self.kernel.abandon()
            self.disk.crash()
            self.is_up = False
        else:
            self.kernel.reset_all()
            self.network = SimulatedNetwork(self)

    def reboot(self, program: Program, config: Config | None = None) -> RawServer:
        """Begin anew on the same disk, with a fresh process; crashes if it is up."""
        if self.is_up:
            self.crash()
        return self.boot(program, config)
