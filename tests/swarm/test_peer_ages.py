from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.peer_ages import TICKS_IN_LIFETIME, PeerAges


@given(st.floats(0.1, 1e5), st.floats(0, 1e9), st.floats(0, 1.9))
def test_who_is_younger_than_a_lifetime_is_fresh_and_who_is_older_soon_is_not(
    lifetime: float, start: float, lifetimes: float
) -> None:
    ages = PeerAges(lifetime)
    ages.advance(start)
    tick = ages.tick
    assert not ages.advance(start + lifetimes * lifetime)
    if lifetimes < 0.999:
        assert tick in ages.fresh
    if lifetimes > 1 + 2.001 / TICKS_IN_LIFETIME:
        assert tick not in ages.fresh


def test_after_two_lifetimes_without_a_call_nobody_is_left() -> None:
    ages = PeerAges(64)
    ages.advance(0.0)
    assert not ages.advance(127.9)
    assert not ages.advance(254.9)
    assert ages.advance(382.0)


def test_a_tick_ends() -> None:
    ages = PeerAges(64)
    assert ages.ends_at < 0
    ages.advance(10.5)
    assert (ages.tick, ages.ends_at) == (10, 11.0)
    ages.advance(256.0)
    assert (ages.tick, ages.ends_at) == (0, 257.0)


def test_time_does_not_go_back() -> None:
    ages = PeerAges(64)
    ages.advance(20.0)
    ages.advance(10.0)
    assert (ages.tick, ages.ends_at) == (20, 21.0)


def test_an_age_in_seconds_has_a_tick_unless_it_is_too_old() -> None:
    ages = PeerAges(64)
    ages.advance(300.0)
    assert ages.tick == 300 - 256
    assert ages.tick_of(0.0) == ages.tick
    assert ages.tick_of(60.5) == (300 - 60) % 256
    assert ages.tick_of(64.0) in ages.fresh
    assert ages.tick_of(65.0) is None
