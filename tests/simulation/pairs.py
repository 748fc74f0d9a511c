"""Scenarios of two hosts, for the tests of what runs scenarios."""

from typing import Any

from rawserver.simulation.chaos import Chaos
from rawserver.simulation.fault import Fault
from rawserver.simulation.world import World


class Echo:
    """Sends back what comes."""

    def external_connection_made(self, connection: Any) -> None: ...

    def data_came_in(self, connection: Any, data: bytes) -> None:
        connection.write(data)


class Caller:
    """Says something and keeps what it hears."""

    def __init__(self, words: bytes = b"hello") -> None:
        self.words = words
        self.heard = b""

    def connection_made(self, connection: Any) -> None:
        connection.write(self.words)

    def data_came_in(self, connection: Any, data: bytes) -> None:
        self.heard += data


def add_pair(world: World, server: Any, caller: Any) -> None:
    """Have one host serve and another one call it."""
    here = world.add_host("server", "192.0.2.1")
    there = world.add_host("caller", "192.0.2.2")
    here.boot(lambda loop: loop.start_listening(loop.create_serversocket(7), server))
    there.boot(lambda loop: loop.start_connection(("192.0.2.1", 7), caller))


def echo(world: World) -> None:
    """What is said comes back."""
    caller = Caller()
    add_pair(world, Echo(), caller)
    assert world.run(seconds=5, condition=lambda: caller.heard == b"hello")


class Faulty(Echo):
    def data_came_in(self, connection: Any, data: bytes) -> None:
        raise ValueError("this handler has a bug")


def faulty(world: World) -> None:
    """A handler fails, and the scenario does not look."""
    add_pair(world, Faulty(), Caller())
    world.run(seconds=5)


def faults(*numbers: int) -> list[Fault]:
    """Partitions of the pair, by number."""
    sides = {"one": ["server"], "other": ["caller"]}
    return [Fault(10.0 * number, 1.0, "partition", sides) for number in numbers]


def fails_by_faults(world: World, needed: set[int], planned: int) -> None:
    """Fail if all of the needed faults happened."""
    Chaos(world).start(faults(*range(planned)))
    kept = world.kept_faults
    happening = set(range(planned)) if kept is None else set(kept)
    assert not needed <= happening, "all came together"
