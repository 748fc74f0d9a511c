"""Equal blocks are one, for as long as anybody has them."""

from rawserver.simulation import block_pool
from rawserver.simulation.block_pool import BlockPool


def test_equal_blocks_become_one_object() -> None:
    pool = BlockPool()
    first, second = bytes(bytearray(b"x" * 100)), bytes(bytearray(b"x" * 100))
    assert first is not second
    assert pool.share(first) is first
    assert pool.share(second) is first


def test_a_sweep_lets_go_of_what_nobody_holds() -> None:
    pool = BlockPool()
    held = [pool.share(bytes([number]) * 10) for number in range(5)]
    for number in range(5, 50):
        pool.share(bytes([number]) * 10)
    pool.sweep()
    assert len(pool) == 5
    assert pool.share(b"\x03" * 10) is held[3]


def test_it_sweeps_by_itself_and_stays_bounded() -> None:
    pool = BlockPool()
    for number in range(20_000):
        pool.share(number.to_bytes(4, "big"))
        assert len(pool) <= block_pool._FEWEST_TO_SWEEP
