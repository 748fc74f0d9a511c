"""The same seed is the same disk, names and work, in every process; another seed is another."""

import hashlib
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kit.virtual_time import VirtualTime
from rawserver.engine.contexts import Contexts
from rawserver.engine.work import Work
from rawserver.simulation.block_pool import BlockPool
from rawserver.simulation.clock import HostClock
from rawserver.simulation.cost_meter import CostMeter
from rawserver.simulation.disk import SimulatedDisk
from rawserver.simulation.disk_faults import DiskFault, slow
from rawserver.simulation.disk_speed import HARD_DISK
from rawserver.simulation.guard import RealWorldGuard
from rawserver.simulation.names import NameFault, Names, Resolver
from rawserver.simulation.workers import SimulatedWorkers

FOLDERS = ("a", "b", "ä/ö", "c/d/e")


class Machine:
    """A host's disk, resolver and workers, and a digest of all that they said."""

    def __init__(self, seed: int, pool: BlockPool | None = None) -> None:
        self.world = VirtualTime()
        self.chance = random.Random(f"{seed} program")
        self.meter = CostMeter()
        clock = HostClock(self.world, skew=3.5, drift=1e-5)
        self.disk = SimulatedDisk(
            random.Random(f"{seed} disk"),
            clock,
            self.meter,
            pool=pool,
            speed=HARD_DISK,
            capacity=256 << 10,
        )
        self.names = Names()
        self.resolver = Resolver(self.names, random.Random(f"{seed} names"), self.meter)
        self.workers = SimulatedWorkers(self.world.schedule, self.meter, 3)
        self.said = hashlib.sha256()

    def say(self, *what: object) -> None:
        self.said.update(repr((self.world.now, *what)).encode())

    def start(self, number: int) -> None:
        def post(func: object, delay: float, args: tuple[object, ...], context: object) -> None:
            func(*args)  # type: ignore[operator]

        def done(result: object, error: object) -> None:
            self.say(number, result, repr(error))

        kind = self.chance.choice((self.use_disk, self.use_disk, self.look_up))
        self.workers.start(Work(post, Contexts(), kind, (), done, None))

    def use_disk(self) -> object:
        path = f"/{self.chance.choice(FOLDERS)}/{self.chance.randrange(8)}"
        self.disk.make_directories(path.rpartition("/")[0])
        if self.chance.random() < 0.2:
            self.disk.replace_file(path, self.chance.randbytes(3000))
        file = self.disk.open(path, "w")
        file.write(self.chance.randbytes(self.chance.randrange(40_000)), self.chance.randrange(99))
        if self.chance.random() < 0.3:
            file.synchronize()
        return self.disk.status(path)

    def look_up(self) -> object:
        name = f"host{self.chance.randrange(5)}.example"
        return self.resolver.resolve(name, 80, socket.SOCK_STREAM)

    def live(self) -> None:
        for number in range(4):
            self.names[f"Host{number}.example"] = [f"192.0.2.{number}"]
        self.names.faults.add(NameFault(kind="no answer", chance=0.1))
        self.disk.faults.add(DiskFault(("write",), 5, chance=0.1))
        self.disk.faults.add(slow(0.3, "/a"))
        for life in range(3):
            for number in range(30):
                self.world.schedule(self.chance.random() * 5, self.start, number)
            self.world.run(seconds=15.0)
            self.workers.stop()
            self.disk.crash()
            self.say(life, self.disk.used, self.meter.take())
            for names in self.disk.walk("/"):
                path = "/".join(names)
                self.say(path, self.disk.status(path), self.disk.read_file(path, 1 << 20))


def digest(seed: int, pool: BlockPool | None = None) -> str:
    machine = Machine(seed, pool)
    with RealWorldGuard():
        machine.live()
    return machine.said.hexdigest()


def test_the_same_seed_is_the_same_and_another_is_not() -> None:
    assert digest(1) == digest(1)
    assert len({digest(seed) for seed in range(1, 6)}) == 5


def test_what_the_process_did_before_makes_no_difference() -> None:
    first = digest(2)
    random.seed(os.urandom(8))
    kept = [object() for _ in range(1000)]
    pool = BlockPool()
    for number in range(100):
        pool.share(bytes([number]))
    # Others' blocks, and none that are alike of one's own.
    assert digest(2, pool) == first
    assert digest(2, pool) == first
    del kept


@pytest.mark.parametrize("hash_seed", ["0", "1", "4294967295"])
def test_every_process_sees_the_same(hash_seed: str) -> None:
    source = Path(__file__)
    command = f"import runpy; print(runpy.run_path({str(source)!r})['digest'](3))"
    found = subprocess.run(
        [sys.executable, "-c", command],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert found.stdout.strip() == digest(3)


def test_it_is_what_it_was_with_every_version_of_python() -> None:
    assert digest(4) == AS_EVER


# Another when the disk, the names or the work behave otherwise; then it is what `digest(4)` says.
AS_EVER = "b8a7a36f88f7baea516b6357d5835190d868399159a52a509e38b5714f583170"
