"""A fault hits what it names, as often and as surely as it says."""

import errno
import random

import pytest

from rawserver.simulation.disk_faults import (
    DiskFault,
    DiskFaults,
    full,
    read_error,
    slow,
    write_error,
)


def test_only_the_operation_place_and_offsets_are_hit() -> None:
    faults = DiskFaults(random.Random(1))
    faults.add(read_error("/data", 100, 200))
    for operation, path, offset, count in [
        ("write", "/data", 100, 1),
        ("read", "/data2", 100, 1),
        ("read", "/data", 0, 100),
        ("read", "/data", 200, 1),
    ]:
        assert faults.check(operation, path, offset, count) == 0.0
    for path, offset, count in [("/data", 0, 101), ("/data/below", 199, 1)]:
        with pytest.raises(OSError, match=path) as caught:
            faults.check("read", path, offset, count)
        assert caught.value.errno == errno.EIO


def test_one_is_removed_and_one_ends_by_itself() -> None:
    faults = DiskFaults(random.Random(1))
    with faults.during(write_error()), pytest.raises(OSError, match="error"):
        faults.check("synchronize", "/a")
    assert faults.check("synchronize", "/a") == 0.0
    once = faults.add(DiskFault(("open",), errno.EIO, times=1))
    with pytest.raises(OSError, match="error"):
        faults.check("open", "/a")
    assert faults.check("open", "/a") == 0.0
    faults.remove(once)
    with pytest.raises(ValueError, match="list"):
        faults.remove(once)


def test_delays_add_up_and_chance_is_kept() -> None:
    faults = DiskFaults(random.Random(1))
    faults.add(slow(1.0))
    faults.add(slow(2.0, "/a"))
    assert faults.check("status", "/a") == 3.0
    assert faults.check("status", "/b") == 1.0
    faults.active.clear()
    faults.add(DiskFault(("read",), seconds=1.0, chance=0.25))
    assert 200 < sum(faults.check("read", "/a") for _ in range(1000)) < 300


def test_a_full_disk_reads() -> None:
    faults = DiskFaults(random.Random(1))
    faults.add(full())
    assert faults.check("read", "/a", 0, 10) == 0.0
    with pytest.raises(OSError, match="space"):
        faults.check("write", "/a", 0, 10)
