"""A tracker's state on a simulated disk: crashes at any moment, a full disk, a torn file."""

from collections.abc import Iterator

import pytest

from kit.peer_tables import assert_store_sound
from rawserver import RawServer
from rawserver.services.tracker import Asker, Tracker
from rawserver.services.tracker.registry_section import RegistrySection
from rawserver.services.tracker.state_file import StateFile
from rawserver.simulation import World, disk_faults
from rawserver.simulation.folder_journal import COMMIT_SECONDS
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.wire.announce_request import AnnounceRequest
from rawserver.wire.compact_peers import ip_to_bytes

HASHES = (bytes(range(20)), b"x" * 20)
SAVE_SECONDS = 60.0
PATH = "/state"


class Remembered:
    """A host whose tracker saves its state, and what it should remember."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.host = world.add_host("tracker", "192.0.2.1")
        # When who is to be remembered announced, by peer id.
        self.announced: dict[bytes, float] = {}
        self.chance = world.child_random("announces")
        self._count = 0
        self.told = ""

    def boot(self, raw_server: RawServer) -> None:
        self.registry = MemoryRegistry(raw_server.network.random)
        self.tracker = Tracker(raw_server, self.registry)
        sections = [RegistrySection(self.registry)]
        self.state = StateFile(raw_server, PATH, sections, interval=SAVE_SECONDS)
        self.told = self.state.load()
        self.state.start()
        raw_server.add_task(self._announce_one)

    def _announce_one(self) -> None:
        self.tracker.raw_server.add_task(self._announce_one, self.chance.uniform(0.1, 5.0))
        number = self._count = self._count + 1
        request = AnnounceRequest(self.chance.choice(HASHES), b"%020d" % number, 6881, left=1)
        asker = Asker(ip_to_bytes(f"10.0.{number // 250}.{number % 250}"))
        response = self.tracker.announce(request, asker, lambda response: None)
        assert response is not None
        assert not response.failure
        self.announced[request.peer_id] = self.world.now

    def forgotten_since(self) -> float | None:
        """Return when the first of those announced who are forgotten did; and forget them too."""
        here = set(peer_ids(self.registry))
        forgotten = {who: at for who, at in self.announced.items() if who not in here}
        self.announced = {who: at for who, at in self.announced.items() if who in here}
        return min(forgotten.values(), default=None)


def peer_ids(registry: MemoryRegistry) -> Iterator[bytes]:
    for swarm in registry.store.chain:
        for table in swarm.tables():
            for bucket in table.buckets:
                for fields in table.layout.entry.iter_unpack(bucket):
                    yield fields[4]


@pytest.mark.parametrize("run", range(20))
def test_a_crash_loses_no_more_than_the_interval(world: World, run: int) -> None:
    remembered, chance = Remembered(world), world.child_random("crashes")
    host = remembered.host
    host.boot(remembered.boot)
    for _ in range(4):
        booted_at = world.now
        slow = disk_faults.slow(chance.choice([0.0, 0.0, 2.0]))
        with host.disk.faults.during(slow):
            world.run(seconds=chance.uniform(1.0, 400.0))
            if chance.random() < 0.5:  # amid a save, if it is slow
                world.run(seconds=SAVE_SECONDS - (world.now - booted_at) % SAVE_SECONDS + 0.5)
        assert not host.reports
        assert_store_sound(remembered.registry.store)
        crashed_at, silent = world.now, chance.random() < 0.7
        host.crash(silent=silent)
        world.run(seconds=chance.uniform(0.0, 100.0))
        host.boot(remembered.boot)
        # Whatever moment it was, there is no half file.
        assert not remembered.told
        assert_store_sound(remembered.registry.store)
        lost_since = remembered.forgotten_since()
        # A save begins an interval after the one before has ended.
        took = 4 * slow.seconds + (COMMIT_SECONDS if silent else 0.0) + 1.0
        assert lost_since is None or lost_since >= crashed_at - SAVE_SECONDS - took


@pytest.mark.parametrize("run", range(5))
def test_while_a_disk_is_full_the_last_state_stays(world: World, run: int) -> None:
    remembered, chance = Remembered(world), world.child_random("crashes")
    host = remembered.host
    host.boot(remembered.boot)
    world.run(seconds=200)
    full_at = world.now
    with host.disk.faults.during(disk_faults.full()):
        world.run(seconds=chance.uniform(100, 300))
        # Once, however often it was tried.
        ((_, _, told),) = host.reports
        assert "state was not saved" in told
        host.crash(silent=chance.random() < 0.5)
        host.boot(remembered.boot)
        assert not remembered.told
        lost_since = remembered.forgotten_since()
        assert lost_since is not None
        assert lost_since >= full_at - SAVE_SECONDS - COMMIT_SECONDS - 1
        world.run(seconds=200)
    world.run(seconds=SAVE_SECONDS + 1)
    assert remembered.state.saved_at is not None
    assert remembered.state.saved_at > full_at
    host.crash(silent=False)
    host.boot(remembered.boot)
    lost_since = remembered.forgotten_since()
    assert lost_since is None or lost_since >= world.now - SAVE_SECONDS - 1


@pytest.mark.parametrize("run", range(20))
def test_a_torn_file_is_kept_aside_and_never_taken_for_a_state(world: World, run: int) -> None:
    remembered, chance = Remembered(world), world.child_random("tears")
    host = remembered.host
    host.boot(remembered.boot)
    world.run(seconds=150)
    host.crash()
    whole = host.disk.read_file(PATH, 10**9)
    if chance.random() < 0.5:
        torn = whole[: chance.randrange(len(whole))]
    else:
        at = chance.randrange(len(whole) - 40) + 34  # behind the time, which may be any
        torn = whole[:at] + bytes(len(whole[at : at + 512])) + whole[at + 512 :]
    host.disk.put(PATH, torn)
    host.boot(remembered.boot)
    if torn == whole:
        return
    assert remembered.told.endswith("begins anew")
    assert host.disk.read_file(f"{PATH}.damaged", 10**9) == torn
    assert host.disk.status(PATH) is None
    assert_store_sound(remembered.registry.store)
    assert not list(peer_ids(remembered.registry))
    world.run(seconds=2 * SAVE_SECONDS)
    host.crash(silent=False)
    host.boot(remembered.boot)
    assert not remembered.told
    assert list(peer_ids(remembered.registry))
