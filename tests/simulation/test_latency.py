from random import Random
from statistics import fmean, median

import pytest

from rawserver.simulation.latency import Constant, Latency, LogNormal, Normal, Pareto, Uniform


def samples(latency: Latency, count: int = 4000) -> list[float]:
    random = Random(1)
    return [latency.sample(random) for _ in range(count)]


def test_constant_draws_nothing() -> None:
    random = Random(1)
    state = random.getstate()
    assert Constant(0.5).sample(random) == 0.5
    assert random.getstate() == state


def test_uniform_lies_between_its_bounds() -> None:
    drawn = samples(Uniform(1, 3))
    assert 1 <= min(drawn) < 1.01
    assert 2.99 < max(drawn) <= 3
    assert fmean(drawn) == pytest.approx(2, abs=0.05)


def test_normal_is_cut_off() -> None:
    drawn = samples(Normal(1, 0.5, least=0.5, most=2))
    assert (min(drawn), max(drawn)) == (0.5, 2)
    assert median(drawn) == pytest.approx(1, abs=0.05)


def test_normal_is_never_negative() -> None:
    assert min(samples(Normal(0, 1))) == 0


def test_log_normal_has_its_median_above_the_least() -> None:
    drawn = samples(LogNormal(2, 1, least=10, most=100))
    assert median(drawn) == pytest.approx(12, abs=0.2)
    assert min(drawn) > 10
    assert max(drawn) > 30
    assert max(samples(LogNormal(2, 1, least=10, most=13))) == 13


def test_pareto_has_a_heavy_tail_up_to_its_bound() -> None:
    drawn = samples(Pareto(0.01, 1.0, most=5))
    assert min(drawn) >= 0.01
    assert max(drawn) == 5
    # Half are below twice the least.
    assert median(drawn) == pytest.approx(0.02, abs=0.002)


@pytest.mark.parametrize("shape", [0.001, 0.5, 3.0, 1000.0])
def test_pareto_stands_any_shape(shape: float) -> None:
    assert all(1 <= drawn <= 2 for drawn in samples(Pareto(1, shape, most=2), 500))


@pytest.mark.parametrize("latency", [Uniform(1, 2), Normal(1, 1), LogNormal(1, 1), Pareto(1, 1, 9)])
def test_the_same_chance_draws_the_same(latency: Latency) -> None:
    assert samples(latency, 10) == samples(latency, 10)


def test_what_is_no_latency_is_an_error() -> None:
    with pytest.raises(ValueError, match="latency"):
        Constant(-1)
    with pytest.raises(ValueError, match="latency"):
        Constant(float("inf"))
    with pytest.raises(ValueError, match="latency"):
        Uniform(2, 1)
    with pytest.raises(ValueError, match="latency"):
        Normal(1, 1, least=-1)
    with pytest.raises(ValueError, match="median"):
        LogNormal(0, 1)
    with pytest.raises(ValueError, match="shape"):
        Pareto(1, 0, 2)
