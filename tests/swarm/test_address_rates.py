import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.address_rates import AddressRates

ONE = bytes([192, 0, 2, 1])
OTHER = bytes([192, 0, 2, 2])


def test_a_burst_passes_and_then_the_rate() -> None:
    rates = AddressRates(rate=2.0, burst=3)
    assert [rates.take(ONE, 100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert rates.take(ONE, 100.0) == pytest.approx(0.5)
    assert rates.take(ONE, 100.25) == pytest.approx(0.25)
    assert rates.take(ONE, 100.5) == 0.0
    assert rates.take(ONE, 100.5) > 0
    assert rates.take(OTHER, 100.5) == 0.0


def test_who_is_refused_does_not_wait_longer_for_it() -> None:
    rates = AddressRates(rate=1.0, burst=1)
    assert rates.take(ONE, 0.0) == 0.0
    for _ in range(100):
        assert rates.take(ONE, 0.5) == pytest.approx(0.5)
    assert rates.take(ONE, 1.0) == 0.0


def test_a_network_of_ipv6_is_one_address() -> None:
    rates = AddressRates(rate=1.0, burst=1)
    network = bytes(range(8))
    assert rates.take(network + bytes(8), 0.0) == 0.0
    assert rates.take(network + b"\xff" * 8, 0.0) > 0
    assert rates.take(bytes(8) + network, 0.0) == 0.0


def test_full_buckets_are_forgotten() -> None:
    rates = AddressRates(rate=1.0, burst=10)
    for number in range(100):
        rates.take(number.to_bytes(4, "big"), 0.0)
    assert len(rates) == 100
    rates.take(ONE, 11.0)
    rates.take(ONE, 22.0)
    assert len(rates) <= 2


def test_memory_has_a_bound_and_those_of_late_are_kept() -> None:
    rates = AddressRates(rate=1.0, burst=1, max_addresses=10)
    for number in range(1000):
        rates.take(number.to_bytes(4, "big"), 0.0)
    assert len(rates) <= 10
    assert rates.take((999).to_bytes(4, "big"), 0.0) > 0


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1), (-1.0, 1), (1.0, 0.5)])
def test_what_would_let_nobody_pass_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        AddressRates(rate, burst)


@given(st.integers(0, 2**31), st.sampled_from([0.1, 1.0, 7.0]), st.integers(1, 5))
def test_it_lets_through_what_a_bucket_of_tokens_would(seed: int, rate: float, burst: int) -> None:
    chance = random.Random(seed)
    rates = AddressRates(rate, burst)
    tokens: dict[bytes, tuple[float, float]] = {}
    now = 0.0
    for _ in range(200):
        now += chance.choice([0.0, 0.0, chance.expovariate(rate), 3 * burst / rate])
        ip = bytes([0, 0, 0, chance.randrange(3)])
        level, since = tokens.get(ip, (float(burst), now))
        level = min(level + (now - since) * rate, burst)
        passes = level >= 1 - 1e-6 * rate
        assert (rates.take(ip, now) == 0.0) == passes
        tokens[ip] = (level - passes, now)
