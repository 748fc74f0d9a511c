"""Scenarios for the tests of `rawserver simulate`; each is a function of this file."""

import os
import sys
from typing import Any

from rawserver.simulation import Chaos, Fault, World

SIDES = {"one": ["a"], "other": ["b"]}


def scenario(world: World) -> None:
    """Nothing goes wrong."""
    world.add_host("a", "192.0.2.1")
    world.run(seconds=2)


class Facts:
    def as_dict(self) -> dict[str, Any]:
        return {"answer": 42}

    def lines(self) -> list[str]:
        return ["the answer is 42"]


def tells(world: World) -> Facts:
    print("printed by the scenario")
    return Facts()


def with_hosts(world: World, *, hosts: int = 1) -> None:
    assert hosts == 1, f"{hosts} hosts"


def fails_from_seed_3(world: World) -> None:
    """Needs the second of three faults, and a seed of 3 at least."""
    for name, ip in (("a", "192.0.2.1"), ("b", "192.0.2.2")):
        world.add_host(name, ip)
    chaos = Chaos(world)
    chaos.start([Fault(at, 1.0, "partition", SIDES) for at in (1.0, 3.0, 5.0)])
    world.run(seconds=10)
    second = [note for note in chaos.notes if note.fault.at == 3.0]
    assert not second or world.seed < 3, "the second fault was too much"


def dies(world: World) -> None:
    if world.seed == 2:
        os._exit(7)


def hangs(world: World) -> None:
    while world.seed == 1:
        pass


def says_that_it_hangs(world: World) -> None:
    print("it hangs", flush=True)
    while True:
        pass


def reads(world: World) -> None:
    assert sys.stdin.read() == ""


def differs_by_hash(world: World) -> None:
    for word in {"one", "two", "three", "four", "five", "six", "seven", "eight"}:
        world.trace.event(world.now, word)


def dies_in_its_second_run(world: World) -> None:
    if os.environ.get("PYTHONHASHSEED") == "1":
        sys.stdout.flush()
        os._exit(1)
