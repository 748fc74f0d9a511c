import errno
import socket

import pytest

from rawserver.engine.rawserver import RawServer
from rawserver.simulation.chaos import Chaos
from rawserver.simulation.fault import Fault
from rawserver.simulation.host import Host
from rawserver.simulation.host_faults import HOST_FAULTS
from rawserver.simulation.world import World


class Ticking:
    """A host whose program notes the time each second, and chaos on it."""

    def __init__(self) -> None:
        self.world = World(1)
        self.host = self.world.add_host("a", "10.0.0.1")
        self.ticks: list[float] = []
        self.boots = 0
        self.boot(self.host)
        self.chaos = Chaos(self.world, reboot=self.boot)

    def boot(self, host: Host) -> None:
        self.boots += 1
        host.boot(self.program)

    def program(self, raw_server: RawServer) -> None:
        def tick() -> None:
            self.ticks.append(self.world.now)
            raw_server.add_task(tick, 1.0)

        raw_server.add_task(tick, 1.0)

    def start(self, *faults: Fault) -> None:
        self.chaos.start(faults)
        self.world.run(seconds=0.001)

    def ticks_in(self, seconds: float) -> int:
        before = len(self.ticks)
        self.world.run(seconds=seconds)
        return len(self.ticks) - before


@pytest.fixture
def ticking() -> Ticking:
    return Ticking()


@pytest.mark.parametrize("silent", [True, False])
def test_crash(ticking: Ticking, silent: bool) -> None:
    assert ticking.ticks_in(3.5) == 3
    ticking.start(Fault(0.0, 5.0, "crash", {"host": "a", "silent": silent}))
    assert ticking.ticks_in(4.5) == 0
    assert ticking.host.is_up is not silent
    assert ticking.ticks_in(4) > 2
    assert ticking.boots == 2


def test_who_has_crashed_does_not_crash_again(ticking: Ticking) -> None:
    arguments = {"host": "a", "silent": True}
    ticking.start(Fault(0.0, 5.0, "crash", arguments), Fault(1.0, 5.0, "crash", arguments))
    assert ticking.ticks_in(4.5) == 0
    assert ticking.ticks_in(5) >= 4
    assert ticking.boots == 2
    assert len(ticking.chaos.notes) == 4


def test_crashes_need_who_reboots() -> None:
    world = World()
    world.add_host("a", "10.0.0.1")
    with pytest.raises(ValueError, match="reboot"):
        Chaos(world).start([Fault(0.0, 1.0, "crash", {"host": "a", "silent": True})])


def test_pause(ticking: Ticking) -> None:
    ticking.start(Fault(0.0, 5.0, "pause", {"host": "a"}))
    assert ticking.ticks_in(4.5) == 0
    assert ticking.ticks_in(3) >= 2


def test_clock_step(ticking: Ticking) -> None:
    clock = ticking.host.clock
    before = clock.wall_time() - ticking.world.now
    ticking.start(Fault(0.0, 5.0, "clock step", {"host": "a", "step": -3600.0}))
    assert clock.wall_time() - ticking.world.now == before - 3600
    ticking.world.run(seconds=6)
    assert clock.wall_time() - ticking.world.now == before


def test_full_disk(ticking: Ticking) -> None:
    disk = ticking.host.disk
    ticking.start(Fault(0.0, 5.0, "full disk", {"host": "a"}))
    with pytest.raises(OSError, match="space") as caught:
        disk.replace_file("/a", b"abc")
    assert caught.value.errno == errno.ENOSPC
    ticking.world.run(seconds=6)
    disk.replace_file("/a", b"abc")
    assert disk.read_file("/a", 10) == b"abc"


def test_disk_errors(ticking: Ticking) -> None:
    disk = ticking.host.disk
    disk.put("/a", b"abc")
    for of, call in (
        ("read", lambda: disk.read_file("/a", 10)),
        ("write", lambda: disk.replace_file("/b", b"abc")),
    ):
        ticking.start(Fault(0.0, 5.0, "disk errors", {"host": "a", "of": of, "chance": 1.0}))
        with pytest.raises(OSError, match="error") as caught:
            call()
        assert caught.value.errno == errno.EIO
        ticking.world.run(seconds=6)
        call()


def test_slow_disk(ticking: Ticking) -> None:
    disk = ticking.host.disk
    disk.put("/a", b"abc")
    ticking.start(Fault(0.0, 5.0, "slow disk", {"host": "a", "each": 1.0}))
    with ticking.host.meter.apart() as meter:
        disk.read_file("/a", 10)
        assert meter.seconds >= 1
    ticking.world.run(seconds=6)
    with ticking.host.meter.apart() as meter:
        disk.read_file("/a", 10)
        assert meter.seconds < 1


def test_call_errors(ticking: Ticking) -> None:
    arguments = {"host": "a", "call": "socket", "error": errno.EMFILE, "chance": 1.0}
    network = ticking.host.network
    ticking.start(Fault(0.0, 5.0, "call errors", arguments))
    with pytest.raises(OSError, match="open files"):
        network.socket(socket.AF_INET, socket.SOCK_STREAM)
    ticking.world.run(seconds=6)
    network.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def test_every_kind_is_tested_here() -> None:
    tested = {name.removeprefix("test_").replace("_", " ") for name in globals()}
    assert set(HOST_FAULTS) <= tested
