"""What may go wrong between hosts."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from rawserver.simulation.fault import Fault, FaultKind
from rawserver.simulation.link import Access, Link
from rawserver.simulation.names import NameFault
from rawserver.simulation.packet import Packet
from rawserver.simulation.rules import (
    DROP,
    PASS,
    Deliver,
    Fail,
    Rule,
    Verdict,
    between,
    flapping,
    partition,
    with_chance,
)

if TYPE_CHECKING:
    from rawserver.simulation.chaos import Chaos

Arguments = dict[str, Any] | None
End = Callable[[], object]

# What Linux says to who sends: no buffer, a filter's veto, no way.
SEND_ERRORS = (errno.ENOBUFS, errno.EPERM, errno.ENETUNREACH, errno.EHOSTUNREACH)


def some_of(random: Random, names: Sequence[str]) -> list[str]:
    """Draw some of the names, one at least; often few of them."""
    most = len(names) if random.random() < 0.3 else min(3, len(names))
    return random.sample(list(names), random.randint(1, most))


def _draw_partition(random: Random, names: Sequence[str]) -> Arguments:
    if len(names) < 2:
        return None
    shuffled = random.sample(list(names), len(names))
    cut = random.randint(1, len(names) - 1)
    return {"one": shuffled[:cut], "other": shuffled[cut:]}


def _begin_partition(chaos: Chaos, fault: Fault, random: Random) -> End:
    one = chaos.addresses(fault.arguments["one"])
    other = chaos.addresses(fault.arguments["other"])
    # Hosts of both sides may share the address of a router.
    return chaos.fabric.rules.add(partition(one - other, other - one)).remove


def _draw_one_way(random: Random, names: Sequence[str]) -> Arguments:
    if len(names) < 2:
        return None
    source, destination = random.sample(list(names), 2)
    return {"source": source, "destination": destination}


def _begin_one_way(chaos: Chaos, fault: Fault, random: Random) -> End:
    source = chaos.addresses([fault.arguments["source"]])
    destination = chaos.addresses([fault.arguments["destination"]])
    return chaos.fabric.rules.add(between(source, destination, both=False)).remove


def _draw_flapping(random: Random, names: Sequence[str]) -> Arguments:
    return {
        "hosts": some_of(random, names),
        "up": round(random.uniform(0.05, 2), 3),
        "down": round(random.uniform(0.05, 2), 3),
    }


def _begin_flapping(chaos: Chaos, fault: Fault, random: Random) -> End:
    up, down = fault.arguments["up"], fault.arguments["down"]
    rule = flapping(_of(chaos, fault, DROP), lambda: chaos.world.now, up, down)
    return chaos.fabric.rules.add(rule).remove


def _draw_loss(random: Random, names: Sequence[str]) -> Arguments:
    return {
        "hosts": some_of(random, names),
        "probability": random.choice([0.01, 0.05, 0.2, 0.5, 1.0]),
    }


def _begin_loss(chaos: Chaos, fault: Fault, random: Random) -> End:
    rule = with_chance(_of(chaos, fault, DROP), random.random, fault.arguments["probability"])
    return chaos.fabric.rules.add(rule).remove


def _draw_delay(random: Random, names: Sequence[str]) -> Arguments:
    return {
        "hosts": some_of(random, names),
        "probability": random.choice([0.1, 0.5, 1.0]),
        "least": 0.0,
        "most": random.choice([0.02, 0.2, 2.0]),
    }


def _begin_delay(chaos: Chaos, fault: Fault, random: Random) -> End:
    least, most = fault.arguments["least"], fault.arguments["most"]
    affected = with_chance(_of(chaos, fault, DROP), random.random, fault.arguments["probability"])

    def judge(packet: Packet) -> Verdict:
        if affected(packet) is PASS:
            return PASS
        return Deliver(least + (most - least) * random.random())

    return chaos.fabric.rules.add(judge).remove


def _draw_clog(random: Random, names: Sequence[str]) -> Arguments:
    return {"hosts": some_of(random, names)}


def _begin_clog(chaos: Chaos, fault: Fault, random: Random) -> End:
    """Hold back everything up to the end of the fault, when it all comes at once."""
    until = chaos.world.now + fault.seconds
    affected = _of(chaos, fault, DROP)

    def judge(packet: Packet) -> Verdict:
        return PASS if affected(packet) is PASS else Deliver(max(until - chaos.world.now, 0.0))

    return chaos.fabric.rules.add(judge).remove


def _draw_send_errors(random: Random, names: Sequence[str]) -> Arguments:
    return {
        "host": random.choice(names),
        "error": random.choice(SEND_ERRORS),
        "probability": random.choice([0.05, 0.5]),
    }


def _begin_send_errors(chaos: Chaos, fault: Fault, random: Random) -> End:
    host = chaos.addresses([fault.arguments["host"]])
    verdict = Fail(fault.arguments["error"])

    def judge(packet: Packet) -> Verdict:
        return verdict if packet.source[0] in host else PASS

    rule = with_chance(judge, random.random, fault.arguments["probability"])
    return chaos.fabric.rules.add(rule).remove


def _draw_weather(random: Random, names: Sequence[str]) -> Arguments:
    return {"reorder": random.choice([0.0, 0.1]), "duplicate": random.choice([0.02, 0.2])}


def _begin_weather(chaos: Chaos, fault: Fault, random: Random) -> End:
    """Have the backbone reorder and duplicate datagrams."""

    def worsen(link: Link) -> Link:
        return replace(
            link,
            reorder=max(link.reorder, fault.arguments["reorder"]),
            duplicate=max(link.duplicate, fault.arguments["duplicate"]),
        )

    return chaos.backbone.add(worsen)


def _draw_slow_line(random: Random, names: Sequence[str]) -> Arguments:
    return {"host": random.choice(names), "factor": random.choice([0.5, 0.1, 0.02])}


def _begin_slow_line(chaos: Chaos, fault: Fault, random: Random) -> End:
    """Have a part of a line's bandwidth; a host without a limit stays without."""
    factor = fault.arguments["factor"]

    def slow(link: Link) -> Link:
        if link.bandwidth is None:
            return link
        return replace(link, bandwidth=link.bandwidth * factor)

    def worsen(access: Access) -> Access:
        return Access(slow(access.up), slow(access.down))

    return chaos.access_of(fault.arguments["host"]).add(worsen)


def _draw_forgetful_nat(random: Random, names: Sequence[str]) -> Arguments:
    return {"host": random.choice(names)}


def _begin_forgetful_nat(chaos: Chaos, fault: Fault, random: Random) -> End:
    """Have the router of a host switched off and on; where there is none, nothing happens."""
    for address in chaos.hosts[fault.arguments["host"]].addresses:
        nat = chaos.fabric.nat_of(address)
        if nat is not None:
            nat.forget()
    return lambda: None


def _draw_name_service(random: Random, names: Sequence[str]) -> Arguments:
    return {
        "kind": random.choice([None, "no answer", "refused", "unknown"]),
        "seconds": random.choice([0.0, 0.5, 5.0]),
        "chance": random.choice([0.2, 1.0]),
    }


def _begin_name_service(chaos: Chaos, fault: Fault, random: Random) -> End:
    """Have look-ups of all hosts be slow or fail."""
    faults = chaos.world.names.faults
    added = faults.add(NameFault(**fault.arguments))
    return lambda: faults.remove(added)


def _of(chaos: Chaos, fault: Fault, verdict: Verdict) -> Rule:
    hosts = chaos.addresses(fault.arguments["hosts"])

    def judge(packet: Packet) -> Verdict:
        is_of = packet.source[0] in hosts or packet.destination[0] in hosts
        return verdict if is_of else PASS

    return judge


NET_FAULTS = {
    "partition": FaultKind(_draw_partition, _begin_partition),
    "one-way cut": FaultKind(_draw_one_way, _begin_one_way),
    "flapping": FaultKind(_draw_flapping, _begin_flapping),
    "loss": FaultKind(_draw_loss, _begin_loss),
    "delay": FaultKind(_draw_delay, _begin_delay),
    "clog": FaultKind(_draw_clog, _begin_clog),
    "send errors": FaultKind(_draw_send_errors, _begin_send_errors),
    "weather": FaultKind(_draw_weather, _begin_weather),
    "slow line": FaultKind(_draw_slow_line, _begin_slow_line),
    "forgetful nat": FaultKind(_draw_forgetful_nat, _begin_forgetful_nat),
    "name service": FaultKind(_draw_name_service, _begin_name_service),
}
