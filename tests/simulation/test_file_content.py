"""A file's bytes are those of an array, and after a crash those of some of its states."""

import errno
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.simulation.block_pool import BLOCK_BYTES, BlockPool
from rawserver.simulation.file_content import SECTOR_BYTES, DiskSpace, FileContent

WRITES = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 500, 16_383, 16_384, 40_000]),
        st.integers(1, 40_000),
        st.integers(1, 255),
    ),
    max_size=6,
)


def whole(content: FileContent) -> bytes:
    buffer = bytearray(content.size)
    assert content.read_into(memoryview(buffer), 0) == content.size
    return bytes(buffer)


@given(WRITES)
def test_it_holds_what_an_array_would(writes: list[tuple[int, int, int]]) -> None:
    content, pool, space, array = FileContent(0), BlockPool(), DiskSpace(None), bytearray()
    for offset, count, fill in writes:
        content.write(bytes([fill]) * count, offset, pool, space)
        array.extend(bytes(max(0, offset + count - len(array))))
        array[offset : offset + count] = bytes([fill]) * count
        assert whole(content) == array
    assert space.used == content.num_blocks * BLOCK_BYTES


@given(WRITES, WRITES, st.integers(0, 1000))
def test_each_sector_after_a_crash_is_of_a_state_since_the_last_synchronization(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], seed: int
) -> None:
    content, pool, space = FileContent(0), BlockPool(), DiskSpace(None)
    for offset, count, fill in before:
        content.write(bytes([fill]) * count, offset, pool, space)
    content.synchronize()
    states = [whole(content)]
    for offset, count, fill in after:
        content.write(bytes([fill]) * count, offset, pool, space)
        states.append(whole(content))
    content.crash(random.Random(seed), pool)
    found = whole(content)
    assert len(states[0]) <= len(found) <= len(states[-1])
    padded = [state.ljust(len(states[-1]), b"\0") for state in states]
    for start in range(0, len(found), SECTOR_BYTES):
        sector = found[start : start + SECTOR_BYTES]
        assert sector in {state[start : start + len(sector)] for state in padded}


def test_a_crash_after_a_synchronization_changes_nothing() -> None:
    content, pool = FileContent(7), BlockPool()
    content.write(b"x" * 50_000, 10, pool, DiskSpace(None))
    content.synchronize()
    content.crash(random.Random(1), pool)
    assert whole(content) == bytes(10) + b"x" * 50_000
    assert content.cold == {0, 1, 2, 3}


def test_a_state_in_between_may_come_back() -> None:
    found = set()
    for seed in range(100):
        content, pool, space = FileContent(0), BlockPool(), DiskSpace(None)
        for letter in b"abc":
            content.write(bytes([letter]) * 4, 0, pool, space)
        content.size = 4
        content.crash(random.Random(seed), pool)
        found.add(whole(content))
    assert {b"aaaa", b"bbbb", b"cccc", b""} <= found


def test_what_there_is_room_for_is_written() -> None:
    content = FileContent(0)
    with pytest.raises(OSError, match="space") as caught:
        content.write(b"x" * 100_000, 0, BlockPool(), DiskSpace(2 * BLOCK_BYTES))
    assert caught.value.errno == errno.ENOSPC
    assert whole(content) == b"x" * (2 * BLOCK_BYTES)


def test_holes_are_found_by_the_block() -> None:
    content = FileContent(0)
    content.size = 1 << 30
    content.write(b"x", 500 * BLOCK_BYTES + 5, BlockPool(), DiskSpace(None))
    assert content.is_hole(0, 500 * BLOCK_BYTES)
    assert not content.is_hole(0, 500 * BLOCK_BYTES + 1)
    assert not content.is_hole(501 * BLOCK_BYTES - 1, 1)
    assert content.is_hole(501 * BLOCK_BYTES, (1 << 30) - 501 * BLOCK_BYTES)
    assert not content.is_hole(1 << 30, 1)
