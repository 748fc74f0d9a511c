"""A run of several rough hosts over slow and lossy links, in which everything goes wrong."""

from __future__ import annotations

from kit.exchange import Oracle
from kit.rough_host import RoughHost
from rawserver.simulation import World
from rawserver.simulation.chaos import Chaos, plan
from rawserver.simulation.host import Host
from rawserver.simulation.latency import LogNormal, Uniform
from rawserver.simulation.link import Access, Link
from rawserver.simulation.loss import RandomLoss

HOSTS = 4
ACTIVE_SECONDS = 6.0
# After that everything has to come to its end: the slowest exchange, and all time-outs.
END_SECONDS = 300.0
LOOK_SECONDS = 0.25
# A loop that spins makes a turn in 10 µs, which are 25,000; what there is to do makes 1,300.
MOST_EVENTS_PER_LOOK = 4000
_KINDS = ["partition", "one-way cut", "flapping", "loss", "delay", "clog", "send errors", "pause",
          "slow line", "crash"]  # fmt: skip


class RoughWorld:
    """One run, from a seed; each second seed is a calm one."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.oracle = Oracle(self.world, calm=seed % 2 == 0)
        self.random = self.world.child_random("rough world")
        # In one look.
        self.most_events = 0
        self.hosts = [self._add_host(number) for number in range(1, HOSTS + 1)]
        self._name_them()
        self.programs = {host.name: RoughHost(self.oracle, host, self.names) for host in self.hosts}

    def _add_host(self, number: int) -> Host:
        addresses = (f"198.51.100.{number}", f"2001:db8::{number}")
        bandwidth = self.random.choice([60e3, 400e3, 5e6])
        link = Link(
            latency=self.random.choice([Uniform(0.005, 0.03), LogNormal(0.03, 0.8, 0.01, 0.4)]),
            bandwidth=bandwidth,
            queue_bytes=max(24_000, int(bandwidth / 4)),
            loss=self.random.choice([None, RandomLoss(0.002)]),
        )
        self.world.fabric.set_access(Access(link, link), *addresses)
        host = self.world.add_host(f"host{number}", *addresses)
        host.limits.send_buffer = self.random.choice([8192, 65_536])
        host.limits.receive_buffer = self.random.choice([8192, 65_536])
        return host

    def _name_them(self) -> None:
        names = self.world.names
        for host in self.hosts:
            names[host.name] = list(host.addresses)
        every = [ip for host in self.hosts for ip in host.addresses]
        names["any"] = self.random.sample(every, len(every))
        self.names = [*names, *every]

    # Going wrong.

    def _reboot(self, host: Host) -> None:
        self.programs[host.name] = RoughHost(self.oracle, host, self.names)

    def _plan_chaos(self) -> Chaos:
        chaos = Chaos(self.world, {host.name: host for host in self.hosts}, self._reboot)
        faults = plan(
            self.world.seed, list(chaos.hosts), ACTIVE_SECONDS, kinds=_KINDS, every_seconds=0.8
        )
        chaos.start(faults)
        for fault in faults:
            if fault.kind == "crash":
                # Just after the host has.
                self.world.schedule(fault.at + 1e-9, self._crashed, fault.arguments["host"])
        return chaos

    def _crashed(self, name: str) -> None:
        program = self.programs[name]
        if program.raw_server not in program.host.raw_servers:
            program.crashed()

    # The run.

    def run(self) -> list[str]:
        """Have everything happen; returns what was not as promised, at the first look at which
        something was not."""
        chaos = None if self.oracle.calm else self._plan_chaos()
        self._pass(ACTIVE_SECONDS)
        if chaos is not None:
            chaos.stop()
        for program in self.programs.values():
            program.active = False
        self._pass(END_SECONDS)
        if not self.oracle.broken:
            # What lingers, and the last tasks.
            self.world.run(seconds=2.0)
            self._look_at_the_end()
        return self.oracle.broken

    def _pass(self, seconds: float) -> None:
        until = self.world.now + seconds
        while self.world.now < until and not self.oracle.broken:
            self._look_on(min(until, self.world.now + LOOK_SECONDS))
            for program in self.programs.values():
                program.look()
            if all(program.is_over for program in self.programs.values()):
                break

    def _look_on(self, until: float) -> None:
        events = 0

        def is_broken() -> bool:
            nonlocal events
            events += 1
            return events > MOST_EVENTS_PER_LOOK or bool(self.oracle.broken)

        self.world.run(until=until, condition=is_broken)
        self.oracle.check(events <= MOST_EVENTS_PER_LOOK, f"{events} events: something spins")
        self.most_events = max(events, self.most_events)

    def _look_at_the_end(self) -> None:
        self.oracle.look_at_the_end()
        for program in self.programs.values():
            program.look_at_the_end()
        planned, reported = self.oracle.planned, self.oracle.reported
        self.oracle.check(planned == reported, f"{reported} of {planned} faults reported")
        for program in self.programs.values():
            program.end_in_the_midst()
        self.world.run(seconds=1.0)
        for program in self.programs.values():
            program.look_at_what_is_closed()
