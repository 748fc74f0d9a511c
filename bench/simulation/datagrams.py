"""Hosts that ping others at random, each with its own RawServer, as nodes of a DHT do."""

from typing import Any

from bench.simulation.run_time import HEADER, timed
from bench.table import table
from rawserver import RawServer
from rawserver.simulation import World
from rawserver.simulation.presets import HOMES, REGION

PORT = 6881
# A node of a DHT that refreshes its table asks about so often, and messages are about so long.
PING_SECONDS = 1.0
MESSAGE_SIZE = 100


class Node:
    """Asks somebody each second, and answers who asks."""

    def __init__(self, world: World, number: int, hosts: int) -> None:
        self.random = world.child_random(f"node {number}")
        self.hosts = hosts
        self.answers = 0
        self.raw_server: RawServer
        self.udp: Any = None

    def program(self, raw_server: RawServer) -> None:
        """Begin."""
        self.raw_server = raw_server
        self.udp = raw_server.start_listening_udp(raw_server.create_udpsocket(PORT), self)
        raw_server.add_task(self.ask, self.random.random() * PING_SECONDS)

    def ask(self) -> None:
        """Ask one of the others."""
        self.raw_server.add_task(self.ask, PING_SECONDS)
        self.udp.write_to(b"q" * MESSAGE_SIZE, (address(self.random.randrange(self.hosts)), PORT))

    def data_came_in(self, sender: Any, data: bytes) -> None:
        """Answer a question, count an answer."""
        if data[:1] == b"q":
            self.udp.write_to(b"a" * MESSAGE_SIZE, sender)
        else:
            self.answers += 1


def address(number: int) -> str:
    """Return the address of a host."""
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def measure(hosts: int, seconds: float, seed: int) -> str:
    """Return a table of how fast so many hosts ping each other for so long."""
    world = World(seed)
    world.fabric.set_backbone(REGION)
    nodes = []
    for number in range(hosts):
        world.fabric.set_access(HOMES[number % len(HOMES)], address(number))
        node = Node(world, number, hosts)
        world.add_host(f"host{number}", address(number)).boot(node.program)
        nodes.append(node)
    with timed(world) as run_time:
        world.run(seconds=seconds)
    answers = sum(node.answers for node in nodes)
    assert answers > hosts * (seconds - 2) / PING_SECONDS * 0.95, f"{answers} answers only"
    row = [f"{hosts:,}", f"{answers:,}", *run_time.cells()]
    return table(["hosts", "answers", *HEADER], [row])
