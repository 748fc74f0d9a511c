import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.token_bucket import TokenBucket


def test_no_limit_lets_everything_pass() -> None:
    bucket = TokenBucket(0)
    assert all(bucket.take(10**9, 0.0) for _ in range(100))
    assert bucket.seconds_until_ready(0.0) == 0


def test_what_is_taken_comes_back_with_time() -> None:
    bucket = TokenBucket(1000, burst=100)
    assert bucket.take(100, 5.0)
    assert bucket.take(500, 5.0)
    assert not bucket.take(1, 5.0)
    assert bucket.seconds_until_ready(5.0) == pytest.approx(0.5)
    assert not bucket.take(1, 5.25)
    assert bucket.take(1, 5.5)


def test_a_block_larger_than_the_burst_passes() -> None:
    bucket = TokenBucket(5000)
    assert bucket.take(16384, 0.0)
    assert bucket.seconds_until_ready(0.0) == pytest.approx((16384 - 2500) / 5000)


def test_a_pause_saves_up_no_more_than_the_burst() -> None:
    bucket = TokenBucket(1000, burst=300)
    bucket.take(0, 0.0)
    taken = 0
    while bucket.take(100, 3600.0):
        taken += 100
    assert 300 <= taken <= 400


@given(
    st.integers(1000, 10**9),
    st.lists(st.integers(1, 131072), min_size=1, max_size=60),
    st.floats(0, 1e6),
)
def test_waiting_as_told_keeps_the_rate(rate: int, blocks: list[int], start: float) -> None:
    bucket = TokenBucket(rate)
    now = start
    for block in blocks:
        now += bucket.seconds_until_ready(now)
        assert bucket.take(block, now)
    allowed = rate * (now - start) + rate / 2 + blocks[-1]
    assert sum(blocks) <= allowed + rate * 1e-6


def test_the_rate_can_be_changed() -> None:
    bucket = TokenBucket(1000)
    bucket.take(100_000, 0.0)
    bucket.change_rate(2000, 0.0)
    assert bucket.take(1000, 0.0)
    assert bucket.take(1000, 0.5)
    bucket.change_rate(0, 1.0)
    assert bucket.take(10**9, 1.0)
    bucket.change_rate(10, 2.0)
    assert bucket.take(1000, 2.0)
    assert not bucket.take(1, 2.0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1000, burst=0)
    assert bucket.take(100, 10.0)
    assert not bucket.take(1, 9.0)


def test_a_negative_rate_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="negative"):
        TokenBucket(-1)
    with pytest.raises(ValueError, match="negative"):
        TokenBucket(1).change_rate(-1, 0.0)
