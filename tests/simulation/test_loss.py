from itertools import groupby
from random import Random
from statistics import fmean

import pytest

from rawserver.simulation.loss import BurstLoss, Loss, RandomLoss


def losses(loss: Loss, count: int = 20000) -> list[bool]:
    lost = loss.start(Random(1))
    return [lost(0.0) for _ in range(count)]


def burst_length(lost: list[bool]) -> float:
    return fmean(len(list(group)) for is_lost, group in groupby(lost) if is_lost)


def test_random_loss_loses_its_part() -> None:
    lost = losses(RandomLoss(0.1))
    assert fmean(lost) == pytest.approx(0.1, abs=0.01)
    assert burst_length(lost) == pytest.approx(1.11, abs=0.05)


def test_all_and_nothing() -> None:
    assert all(losses(RandomLoss(1), 100))
    assert not any(losses(RandomLoss(0), 100))


def test_burst_loss_loses_many_in_a_row() -> None:
    lost = losses(BurstLoss(enter=0.01, leave=0.1))
    assert fmean(lost) == pytest.approx(0.01 / 0.11, abs=0.02)
    assert burst_length(lost) == pytest.approx(10, abs=1.5)


def test_burst_loss_may_lose_a_part_in_either_state() -> None:
    lost = losses(BurstLoss(enter=0.01, leave=0.01, good=0.1, bad=0.5))
    assert fmean(lost) == pytest.approx(0.3, abs=0.05)


def test_each_link_has_a_state_of_its_own() -> None:
    loss = BurstLoss(enter=1, leave=0)
    first = loss.start(Random(1))
    assert first(0.0)
    assert BurstLoss(enter=0, leave=0).start(Random(1))(0.0) is False
    assert loss.start(Random(1))(0.0)


def test_a_burst_does_not_wait_for_packets() -> None:
    lost = BurstLoss(enter=0, leave=0, bad=1, lull=0.1)
    begun = BurstLoss(enter=1, leave=0, lull=0.1).start(Random(1))
    assert [begun(at) for at in (0.0, 0.05, 0.1, 0.2)] == [True] * 4
    assert not lost.start(Random(1))(5.0)
    patient = BurstLoss(enter=0.5, leave=0, lull=0.1).start(Random(1))
    backing_off = [patient(2.0**number) for number in range(200)]
    in_a_row = [patient(1e70) for _ in range(200)]
    assert 70 < sum(backing_off) < 130
    assert sum(in_a_row) > 190


def test_what_is_no_probability_is_an_error() -> None:
    with pytest.raises(ValueError, match="probability"):
        RandomLoss(1.1)
    with pytest.raises(ValueError, match="probability"):
        BurstLoss(0.1, -0.1)
