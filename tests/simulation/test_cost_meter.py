"""What is spent is read once, and may be counted apart."""

import pytest

from rawserver.simulation.cost_meter import CostMeter


def test_what_was_taken_is_gone() -> None:
    meter = CostMeter()
    meter.seconds += 2.5
    meter.num_bytes += 7
    assert meter.take() == 2.5
    assert meter.take() == 0.0
    assert meter.num_bytes == 0


def test_what_was_spent_at_an_earlier_moment_lies_behind() -> None:
    meter = CostMeter()
    meter.seconds += 1.0
    assert meter.spent_at(100.0) == 1.0
    meter.seconds += 2.0
    assert meter.spent_at(100.0) == 3.0
    assert meter.spent_at(101.0) == 0.0
    meter.seconds += 0.5
    with meter.apart():
        meter.seconds += 7.0
        assert meter.spent_at(101.0) == 7.0
    assert meter.spent_at(101.0) == 0.5
    assert meter.take() == 3.5
    assert meter.spent_at(101.0) == 0.0


def test_what_is_spent_apart_is_not_added_though_it_fails() -> None:
    meter = CostMeter()
    meter.seconds = 1.0

    def fail() -> None:
        with meter.apart() as inner:
            assert inner.seconds == 0.0
            inner.seconds += 5.0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert meter.take() == 1.0
