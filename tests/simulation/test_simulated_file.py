"""What a file in memory does that one of the machine does not; the rest is in test_disk."""

import errno
import random

import pytest

from rawserver.simulation.block_pool import BLOCK_BYTES
from rawserver.simulation.clock import HostClock
from rawserver.simulation.disk import SimulatedDisk
from rawserver.simulation.file_content import LARGEST_FILE


class World:
    now = 0.0


def disk() -> SimulatedDisk:
    return SimulatedDisk(random.Random(1), HostClock(World()))


def test_only_what_was_read_is_warm() -> None:
    there = disk()
    there.put("a", b"x" * (4 * BLOCK_BYTES))
    there.forget_cached()
    file = there.open("a", "r")
    file.will_need(0, 4 * BLOCK_BYTES)
    file.read_into(bytearray(BLOCK_BYTES + 1), 0)
    assert file.read_cached(bytearray(2 * BLOCK_BYTES), 0)
    assert not file.read_cached(bytearray(1), 2 * BLOCK_BYTES)
    there.open("a", "w").write(b"y", 2 * BLOCK_BYTES)
    assert file.read_cached(bytearray(1), 2 * BLOCK_BYTES)


def test_bytes_are_counted() -> None:
    there = disk()
    file = there.open("a", "w")
    file.write(b"x" * 100, 0)
    file.read_into(bytearray(1000), 0)
    assert there.meter.num_bytes == 200


def test_a_file_has_a_largest_size() -> None:
    file = disk().open("a", "w")
    file.extend(LARGEST_FILE)
    for call in (lambda: file.extend(LARGEST_FILE + 1), lambda: file.write(b"x", LARGEST_FILE)):
        with pytest.raises(OSError, match="large") as caught:
            call()
        assert caught.value.errno == errno.EFBIG
    for call in (lambda: file.write(b"x", -1), lambda: file.read_cached(bytearray(1), -1)):
        with pytest.raises(OSError, match="Invalid") as caught:
            call()
        assert caught.value.errno == errno.EINVAL


def test_a_removed_file_lives_as_long_as_it_is_open() -> None:
    there = disk()
    file = there.open("a", "w")
    file.write(b"x", 0)
    there.remove("a")
    buffer = bytearray(1)
    assert file.read_into(buffer, 0) == 1
    assert there.status("a") is None


def test_a_closed_file_tells_of_no_hole() -> None:
    file = disk().open("a", "w")
    file.extend(100_000)
    assert file.is_hole(0, 100_000)
    file.close()
    assert not file.is_hole(0, 100_000)
