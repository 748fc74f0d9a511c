"""What is true of every `Disk`: over the machine's own, and over the one in memory."""

import errno
import random
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rawserver.engine import Disk, OsDisk
from rawserver.simulation.block_pool import BLOCK_BYTES, BlockPool
from rawserver.simulation.clock import HostClock
from rawserver.simulation.cost_meter import CostMeter
from rawserver.simulation.disk import SimulatedDisk
from rawserver.simulation.disk_faults import full, read_error, slow, write_error
from rawserver.simulation.disk_speed import HARD_DISK
from rawserver.simulation.folder_journal import COMMIT_SECONDS


class World:
    now = 1000.0


def simulated_disk(seed: int = 1, world: World | None = None, **more: Any) -> SimulatedDisk:
    return SimulatedDisk(random.Random(seed), HostClock(world or World()), **more)


# The one in memory is as Linux is: others have other numbers for some errors.
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="compares with Linux")


@pytest.fixture(params=[pytest.param("machine", marks=on_linux), "memory"])
def disk(request: pytest.FixtureRequest) -> Disk:
    return OsDisk() if request.param == "machine" else simulated_disk()


@pytest.fixture
def root(disk: Disk, tmp_path: Path) -> str:
    """A folder that is there, whichever disk it is."""
    disk.make_directories(str(tmp_path))
    return str(tmp_path)


def number_of(call: Callable[[], object]) -> int | None:
    """Return the errno with which a call fails, and check that the error is of its class."""
    found = None
    try:
        call()
    except OSError as error:
        found = error
    if found is None:
        return None
    assert type(found) is type(OSError(found.errno, ""))
    return found.errno


# What OsDisk promises, over both.


def test_a_file_is_written_and_read_at_offsets(disk: Disk, root: str) -> None:
    file = disk.open(f"{root}/a", "w")
    file.write(b"hello", 3)
    buffer = bytearray(8)
    assert file.read_into(buffer, 0) == 8
    assert buffer == b"\0\0\0hello"
    assert file.read_into(bytearray(8), 6) == 2
    assert file.read_into(bytearray(8), 100) == 0
    assert file.size() == 8
    file.close()
    file.close()
    with pytest.raises(OSError, match="closed"):
        file.fileno()
    for call in (file.size, file.synchronize, lambda: file.write(b"x", 0)):
        assert number_of(call) == errno.EBADF


def test_opening_truncates_nothing_and_says_what_is_wrong(disk: Disk, root: str) -> None:
    file = disk.open(f"{root}/a", "w")
    file.write(b"kept", 0)
    again = disk.open(f"{root}/a", "w")
    assert again.size() == 4
    again.write(b"K", 0)
    buffer = bytearray(4)
    file.read_into(buffer, 0)
    assert buffer == b"Kept"
    assert number_of(lambda: disk.open(root, "r")) == errno.EISDIR
    assert number_of(lambda: disk.open(root, "w")) == errno.EISDIR
    assert number_of(lambda: disk.open(f"{root}/absent", "r")) == errno.ENOENT
    assert number_of(lambda: disk.open(f"{root}/absent/b", "w")) == errno.ENOENT
    assert number_of(lambda: disk.open(f"{root}/a/b", "w")) == errno.ENOTDIR
    assert number_of(lambda: disk.open(f"{root}/{'n' * 256}", "w")) == errno.ENAMETOOLONG
    assert number_of(lambda: disk.open("", "w")) == errno.ENOENT
    with pytest.raises(ValueError, match="null"):
        disk.open(f"{root}/a\0", "r")
    assert not disk.is_link(f"{root}/a")


def test_several_append_one_after_another(disk: Disk, root: str) -> None:
    path = f"{root}/log"
    one, other = disk.open(path, "a"), disk.open(path, "a")
    for file, line in ((one, b"1\n"), (other, b"22\n"), (one, b"333\n")):
        file.write(line, 0)
    assert disk.read_file(path, 100) == b"1\n22\n333\n"
    assert one.size() == other.size() == 9
    buffer = bytearray(3)
    assert one.read_into(buffer, 2) == 3
    assert buffer == b"22\n"
    with pytest.raises(IsADirectoryError):
        disk.open(root, "a")
    one.close()
    with pytest.raises(OSError, match="closed"):
        one.write(b"x", 0)
    other.close()


def test_what_is_open_to_read_is_not_written(disk: Disk, root: str) -> None:
    disk.open(f"{root}/a", "w").write(b"kept", 0)
    file = disk.open(f"{root}/a", "r")
    assert number_of(lambda: file.write(b"x", 0)) == errno.EBADF
    assert number_of(lambda: file.extend(10)) == errno.EINVAL
    file.extend(4)
    assert file.size() == 4


def test_a_file_grows_sparse_and_never_shrinks(disk: Disk, root: str) -> None:
    file = disk.open(f"{root}/a", "w")
    file.extend(10 << 30)
    file.write(b"x", (10 << 30) - 1)
    file.extend(10)
    assert file.size() == 10 << 30
    if file.is_hole(1 << 30, 5 << 30):  # False is allowed: the file system may not tell
        buffer = bytearray(b"?" * 100)
        assert file.read_into(buffer, 3 << 30) == 100
        assert not any(buffer)
    assert not file.is_hole(10 << 30, 1)  # past the end there is nothing, not zeros
    buffer = bytearray(b"?" * 100)
    assert file.read_into(buffer, (10 << 30) - 100) == 100
    assert buffer == bytes(99) + b"x"
    file.synchronize()
    file.will_need(0, 10)
    file.close()


def test_what_is_in_memory_is_read_without_waiting(disk: Disk, root: str) -> None:
    file = disk.open(f"{root}/a", "w")
    file.write(b"abcdef", 0)
    buffer = bytearray(6)
    if file.read_cached(buffer, 0):  # False is allowed: the system may not tell
        assert buffer == b"abcdef"
    assert not file.read_cached(bytearray(7), 0)
    file.close()


def test_status_and_walk(disk: Disk, root: str) -> None:
    disk.make_directories(f"{root}/b/c")
    disk.make_directories(f"{root}/b/c")
    for name in ("b/c/z", "b-", "a", "é", "B", "\U0001f600", "\uffee"):
        disk.open(f"{root}/{name}", "w").write(b"12345", 0)
    names = [("B",), ("a",), ("b", "c", "z"), ("b-",), ("é",), ("\uffee",), ("\U0001f600",)]
    assert list(disk.walk(root)) == names
    assert disk.names(root) == ["B", "a", "b", "b-", "é", "\uffee", "\U0001f600"]
    assert disk.names(f"{root}/b/c") == ["z"]
    assert number_of(lambda: disk.names(f"{root}/absent")) == errno.ENOENT
    assert number_of(lambda: disk.names(f"{root}/a")) == errno.ENOTDIR
    status = disk.status(f"{root}/b/c/z")
    assert status is not None
    assert (status.size, status.is_file, status.is_directory) == (5, True, False)
    folder = disk.status(root)
    assert folder is not None
    assert folder.is_directory
    assert disk.status(f"{root}/absent") is None
    assert disk.status(f"{root}/a/below a file") is None
    assert number_of(lambda: list(disk.walk(f"{root}/absent"))) == errno.ENOENT
    assert number_of(lambda: list(disk.walk(f"{root}/a"))) == errno.ENOTDIR
    assert number_of(lambda: disk.make_directories(f"{root}/a")) == errno.EEXIST
    assert number_of(lambda: disk.make_directories(f"{root}/a/b/c")) == errno.ENOTDIR


def test_a_whole_file_is_read_up_to_a_limit(disk: Disk, root: str) -> None:
    disk.open(f"{root}/a", "w").write(b"12345", 0)
    assert disk.read_file(f"{root}/a", 5) == b"12345"
    with pytest.raises(OSError, match="longer than 4") as caught:
        disk.read_file(f"{root}/a", 4)
    assert caught.value.errno == errno.EFBIG
    assert number_of(lambda: disk.read_file(root, 4)) == errno.EISDIR
    assert number_of(lambda: disk.read_file(f"{root}/absent", 4)) == errno.ENOENT


def test_a_file_is_replaced_for_who_opens_it_next(disk: Disk, root: str) -> None:
    disk.replace_file(f"{root}/a", b"one")
    file = disk.open(f"{root}/a", "r")
    disk.replace_file(f"{root}/a", b"three")
    assert disk.read_file(f"{root}/a", 9) == b"three"
    assert file.size() == 3
    disk.make_directories(f"{root}/folder")
    assert number_of(lambda: disk.replace_file(f"{root}/folder", b"x")) == errno.EISDIR
    assert number_of(lambda: disk.replace_file(f"{root}/absent/a", b"x")) == errno.ENOENT
    assert number_of(lambda: disk.replace_file(f"{root}/a/b", b"x")) == errno.ENOTDIR
    assert list(disk.walk(root)) == [("a",)]
    disk.replace_file(f"{root}/{'n' * 255}", b"the longest name")
    disk.remove(f"{root}/a")
    assert number_of(lambda: disk.remove(f"{root}/a")) == errno.ENOENT
    assert number_of(lambda: disk.remove(f"{root}/folder")) == errno.EISDIR


# The same of both, whatever is asked of them.

NAMES = st.sampled_from(["a", "b", "c", ".", "..", "é", "n" * 256])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
OFFSETS = st.sampled_from([0, 1, 511, 4096, 16383, 16384, 50_000, (1 << 21) - 1, 1 << 21])
COUNTS = st.sampled_from([0, 1, 2, 512, 16384, 20_000, 40_000])
FILLS = st.integers(1, 255)
OPERATIONS = st.one_of(
    st.tuples(st.just("make"), PATHS),
    st.tuples(st.just("open"), PATHS, st.sampled_from(["r", "w"])),
    st.tuples(st.just("write"), st.integers(0, 3), OFFSETS, COUNTS, FILLS),
    st.tuples(st.just("read"), st.integers(0, 3), OFFSETS, COUNTS),
    st.tuples(st.just("extend"), st.integers(0, 3), OFFSETS),
    st.tuples(st.just("hole"), st.integers(0, 3), OFFSETS, COUNTS),
    st.tuples(st.just("synchronize"), st.integers(0, 3)),
    st.tuples(st.just("close"), st.integers(0, 3)),
    st.tuples(st.just("status"), PATHS),
    st.tuples(st.just("walk"), PATHS),
    st.tuples(st.just("names"), PATHS),
    st.tuples(st.just("whole"), PATHS, COUNTS),
    st.tuples(st.just("replace"), PATHS, COUNTS, FILLS),
    st.tuples(st.just("remove"), PATHS),
)


class User:
    """Does with a disk what it is told, and remembers its open files."""

    def __init__(self, disk: Disk, root: str) -> None:
        self.disk = disk
        # So deep that no ".." leads out of it, over the machine's own disk.
        self.root = f"{root}/d/d/d/d"
        disk.make_directories(self.root)
        self.files: list[Any] = []

    def do(self, operation: tuple[Any, ...]) -> object:
        name, first, *rest = operation
        try:
            if isinstance(first, str):
                return getattr(self, name)(f"{self.root}/{first}", *rest)
            if self.files:
                return getattr(self, name)(self.files[first % len(self.files)], *rest)
        except OSError as error:
            return error.errno
        return None

    def make(self, path: str) -> None:
        self.disk.make_directories(path)

    def open(self, path: str, mode: Literal["r", "w"]) -> None:
        self.files.append(self.disk.open(path, mode))

    def write(self, file: Any, offset: int, count: int, fill: int) -> None:
        file.write(bytes([fill]) * count, offset)

    def read(self, file: Any, offset: int, count: int) -> object:
        buffer = bytearray(count)
        return file.read_into(buffer, offset), bytes(buffer), file.size()

    def extend(self, file: Any, size: int) -> int:
        file.extend(size)
        return int(file.size())

    def hole(self, file: Any, offset: int, count: int) -> None:
        # Blocks may be of different sizes; what is called a hole is zeros, of its whole length.
        if count and file.is_hole(offset, count):
            buffer = bytearray(b"?" * count)
            assert file.read_into(buffer, offset) == count
            assert not any(buffer)

    def synchronize(self, file: Any) -> None:
        file.synchronize()

    def close(self, file: Any) -> None:
        file.close()

    def status(self, path: str) -> object:
        found = self.disk.status(path)
        if found is None or found.is_directory:
            return found is None
        return found.size, found.is_file

    def names(self, path: str) -> object:
        return self.disk.names(path)

    def walk(self, path: str) -> object:
        return list(self.disk.walk(path))

    def whole(self, path: str, limit: int) -> object:
        return self.disk.read_file(path, limit)

    def replace(self, path: str, count: int, fill: int) -> None:
        self.disk.replace_file(path, bytes([fill]) * count)

    def remove(self, path: str) -> None:
        self.disk.remove(path)


@on_linux
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=st.lists(OPERATIONS, max_size=25))
def test_random_operations_end_alike(tmp_path: Path, operations: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory(dir=tmp_path) as root:
        machine, memory = User(OsDisk(), root), User(simulated_disk(), root)
        for operation in operations:
            assert machine.do(operation) == memory.do(operation), operation
        assert list(machine.disk.walk(root)) == list(memory.disk.walk(root))


# What is only of the one in memory.


def test_a_file_in_memory_has_no_descriptor() -> None:
    file = simulated_disk().open("a", "w")
    with pytest.raises(OSError, match="no descriptor"):
        file.fileno()


def test_room_is_taken_by_the_block_and_given_back() -> None:
    disk = simulated_disk(capacity=3 * BLOCK_BYTES)
    file = disk.open("a", "w")
    file.extend(100 * BLOCK_BYTES)
    assert disk.used == 0
    file.write(b"x", 5 * BLOCK_BYTES)
    assert number_of(lambda: file.write(bytes(3 * BLOCK_BYTES), 0)) == errno.ENOSPC
    assert disk.used == 3 * BLOCK_BYTES
    file.write(b"over what is there", 0)
    assert number_of(lambda: disk.replace_file("a", b"new")) == errno.ENOSPC
    assert number_of(lambda: disk.replace_file("b", b"new")) == errno.ENOSPC
    status = disk.status("a")
    assert status is not None
    assert status.size == 100 * BLOCK_BYTES
    disk.remove("a")
    assert disk.used == 0
    disk.replace_file("b", b"new")
    disk.replace_file("b", b"newer")
    assert disk.used == BLOCK_BYTES


def test_a_large_sparse_file_costs_nothing() -> None:
    disk = simulated_disk()
    file = disk.open("a", "w")
    file.write(b"x", 0)
    file.write(b"y", (10 << 30) - 1)
    assert file.is_hole(BLOCK_BYTES, (10 << 30) - 2 * BLOCK_BYTES)
    assert disk.used == 2 * BLOCK_BYTES
    assert len(disk.pool) == 2


def test_disks_of_one_pool_share_equal_blocks() -> None:
    pool = BlockPool()
    data = random.Random(5).randbytes(8 * BLOCK_BYTES)
    for _ in range(10):
        simulated_disk(pool=pool).put("/some/where/a", data)
    assert len(pool) == 8


def test_what_was_synchronized_outlives_a_crash() -> None:
    for seed in range(20):
        disk = simulated_disk(seed)
        disk.make_directories("folder")
        file = disk.open("folder/a", "w")
        file.write(b"kept" * 9000, 0)
        file.synchronize()
        disk.crash()
        assert disk.read_file("folder/a", 36_000) == b"kept" * 9000
        assert disk.used == 3 * BLOCK_BYTES
        assert number_of(file.size) == errno.EBADF


def test_what_was_not_synchronized_is_lost_kept_or_torn_by_the_sector() -> None:
    old, new = b"a" * 20_000, b"b" * 20_000
    seen = set()
    for seed in range(60):
        disk = simulated_disk(seed)
        disk.put("a", old)
        disk.open("a", "w").write(new, 0)
        disk.crash()
        data = disk.read_file("a", 20_000)
        sectors = {data[start : start + 512].replace(b"a", b"") for start in range(0, 20_000, 512)}
        assert sectors <= {b"", b"b" * 512, b"b" * (20_000 % 512)}
        seen.add("old" if data == old else "new" if data == new else "torn")
    assert seen == {"old", "new", "torn"}


def test_a_new_length_and_a_new_file_may_be_lost() -> None:
    sizes = set()
    for seed in range(60):
        disk = simulated_disk(seed)
        disk.open("a", "w").write(b"x" * 1000, 0)
        disk.crash()
        status = disk.status("a")
        sizes.add(None if status is None else 1 if 0 < status.size < 1000 else status.size)
        if status is not None:
            # What was cut off is zeros when the file grows again.
            disk.open("a", "w").extend(2000)
            assert not disk.read_file("a", 2000)[status.size :].strip(b"\0")
    assert sizes == {None, 0, 1, 1000}


def test_after_a_crash_the_old_or_the_new_is_there_whole() -> None:
    seen = set()
    for seed in range(40):
        disk = simulated_disk(seed)
        disk.put("a", b"old" * 9000)
        disk.replace_file("a", b"new" * 9000)
        disk.crash()
        seen.add(disk.read_file("a", 27_000))
        assert list(disk.walk("/")) == [("a",)]
    assert seen == {b"old" * 9000, b"new" * 9000}


def test_what_was_put_in_place_is_on_the_medium_after_a_while() -> None:
    for seed in range(20):
        world = World()
        disk = simulated_disk(seed, world)
        disk.put("a", b"old")
        disk.replace_file("a", b"new")
        world.now += COMMIT_SECONDS
        disk.crash()
        assert disk.read_file("a", 9) == b"new"


def test_faults_come_and_go() -> None:
    disk = simulated_disk()
    disk.put("/a", bytes(1000))
    file = disk.open("a", "w")
    with disk.faults.during(read_error("/a", 512, 1024)):
        assert file.read_into(bytearray(512), 0) == 512
        assert number_of(lambda: file.read_into(bytearray(513), 0)) == errno.EIO
    assert file.read_into(bytearray(513), 0) == 513
    with disk.faults.during(full()):
        assert number_of(lambda: file.write(b"x", 0)) == errno.ENOSPC
        assert number_of(lambda: disk.open("b", "w")) == errno.ENOSPC
        assert number_of(lambda: disk.replace_file("a", b"")) == errno.ENOSPC
        assert number_of(lambda: disk.make_directories("c")) == errno.ENOSPC
        disk.make_directories("/")
    with disk.faults.during(write_error("/a")):
        assert number_of(file.synchronize) == errno.EIO
    disk.meter.take()
    with disk.faults.during(slow(3.0)):
        disk.status("a")
    assert disk.meter.take() == pytest.approx(3.0, abs=0.01)


def test_calls_cost_time_and_one_waits_for_the_other() -> None:
    world, meter = World(), CostMeter()
    disk = simulated_disk(1, world, meter=meter, speed=HARD_DISK)
    disk.put("a", bytes(range(256)) * 4096)
    assert meter.seconds == 0.0
    file = disk.open("a", "r")
    disk.forget_cached()
    meter.take()
    buffer = bytearray(1 << 20)
    assert not file.read_cached(buffer, 0)
    file.read_into(buffer, 0)
    cold = HARD_DISK.seek_seconds + (1 << 20) / HARD_DISK.read_bytes_per_second
    # The look-up of the path is still under way, in the world's time.
    assert meter.take() == pytest.approx(cold + HARD_DISK.seek_seconds)
    world.now += 1.0
    file.read_into(buffer, 0)
    assert file.read_cached(buffer, 0)
    assert meter.take() == 0.0


def test_the_time_of_a_write_is_the_hosts_wall_clock() -> None:
    world = World()
    disk = simulated_disk(1, world)
    file = disk.open("a", "w")
    before = disk.status("a")
    world.now += 2.0
    file.write(b"x", 0)
    after = disk.status("a")
    assert before is not None
    assert after is not None
    assert after.modified_ns - before.modified_ns == 2_000_000_000
