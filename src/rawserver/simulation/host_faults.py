"""What may go wrong with hosts themselves."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from rawserver.simulation import disk_faults
from rawserver.simulation.disk_faults import DiskFault
from rawserver.simulation.fault import Fault, FaultKind

if TYPE_CHECKING:
    from rawserver.simulation.chaos import Chaos

Arguments = dict[str, Any] | None
End = Callable[[], object]

# What calls fail with (socket(2), accept(2), connect(2)) while all is well with the program.
CALL_ERRORS = {
    "socket": (errno.EMFILE, errno.ENFILE, errno.ENOBUFS),
    "accept": (errno.ECONNABORTED, errno.EMFILE, errno.ENFILE, errno.ENOBUFS),
    "connect": (errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENETUNREACH),
}


def _draw_crash(random: Random, names: Sequence[str]) -> Arguments:
    return {"host": random.choice(names), "silent": random.random() < 0.5}


def _begin_crash(chaos: Chaos, fault: Fault, random: Random) -> End:
    """Crash, and reboot at the end; what has crashed already is left alone."""
    name = fault.arguments["host"]
    if name in chaos.crashed:
        return lambda: None
    host = chaos.hosts[name]
    host.crash(silent=fault.arguments["silent"])
    chaos.crashed[name] = None

    def reboot() -> None:
        del chaos.crashed[name]
        chaos.reboot(host)

    return reboot


def _draw_one(random: Random, names: Sequence[str]) -> Arguments:
    return {"host": random.choice(names)}


def _begin_pause(chaos: Chaos, fault: Fault, random: Random) -> End:
    host = chaos.hosts[fault.arguments["host"]]
    host.pause()
    return host.resume


def _draw_clock_step(random: Random, names: Sequence[str]) -> Arguments:
    return {
        "host": random.choice(names),
        "step": random.choice([-86400.0, -3600.0, -1.0, 1.0, 3600.0, 86400.0]),
    }


def _begin_clock_step(chaos: Chaos, fault: Fault, random: Random) -> End:
    """Set a wall clock wrong, and right again at the end."""
    clock = chaos.hosts[fault.arguments["host"]].clock
    clock.step(fault.arguments["step"])
    return lambda: clock.step(-fault.arguments["step"])


def _on_disk(chaos: Chaos, fault: Fault, disk_fault: DiskFault) -> End:
    faults = chaos.hosts[fault.arguments["host"]].disk.faults
    faults.add(disk_fault)
    return lambda: faults.remove(disk_fault)


def _begin_full_disk(chaos: Chaos, fault: Fault, random: Random) -> End:
    return _on_disk(chaos, fault, disk_faults.full())


def _draw_disk_errors(random: Random, names: Sequence[str]) -> Arguments:
    return {
        "host": random.choice(names),
        "of": random.choice(["read", "write"]),
        "chance": random.choice([0.01, 0.2, 1.0]),
    }


def _begin_disk_errors(chaos: Chaos, fault: Fault, random: Random) -> End:
    is_read = fault.arguments["of"] == "read"
    disk_fault = disk_faults.read_error() if is_read else disk_faults.write_error()
    disk_fault.chance = fault.arguments["chance"]
    return _on_disk(chaos, fault, disk_fault)


def _draw_slow_disk(random: Random, names: Sequence[str]) -> Arguments:
    return {"host": random.choice(names), "each": random.choice([0.01, 0.1, 1.0])}


def _begin_slow_disk(chaos: Chaos, fault: Fault, random: Random) -> End:
    return _on_disk(chaos, fault, disk_faults.slow(fault.arguments["each"]))


def _draw_call_errors(random: Random, names: Sequence[str]) -> Arguments:
    call = random.choice(list(CALL_ERRORS))
    return {
        "host": random.choice(names),
        "call": call,
        "error": random.choice(CALL_ERRORS[call]),
        # Not always: who is told of aborted connections only, asks for the next one for ever.
        "chance": random.choice([0.1, 0.5]),
    }


def _begin_call_errors(chaos: Chaos, fault: Fault, random: Random) -> End:
    """Have calls of a kernel fail as they do when something has run out; a reboot ends it."""
    chance = fault.arguments["chance"]
    faults = chaos.hosts[fault.arguments["host"]].kernel.call_faults
    added = faults.add(
        fault.arguments["call"], fault.arguments["error"], lambda: random.random() < chance
    )
    return added.remove


HOST_FAULTS = {
    "crash": FaultKind(_draw_crash, _begin_crash),
    "pause": FaultKind(_draw_one, _begin_pause),
    "clock step": FaultKind(_draw_clock_step, _begin_clock_step),
    "full disk": FaultKind(_draw_one, _begin_full_disk),
    "disk errors": FaultKind(_draw_disk_errors, _begin_disk_errors),
    "slow disk": FaultKind(_draw_slow_disk, _begin_slow_disk),
    "call errors": FaultKind(_draw_call_errors, _begin_call_errors),
}
