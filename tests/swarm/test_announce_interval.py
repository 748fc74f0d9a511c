"""When peers are told to come back."""

from random import Random

import pytest

from rawserver.swarm.announce_interval import (
    DEFAULT_INTERVAL_SECONDS,
    JITTER,
    LONELY_INTERVAL_SECONDS,
    AnnounceInterval,
)


def test_they_come_back_at_the_interval_but_not_together() -> None:
    interval = AnnounceInterval(Random(1), DEFAULT_INTERVAL_SECONDS)
    told = {interval.after(lonely=False) for _ in range(50)}
    times = {time for time, _ in told}
    assert len(times) > 10
    assert min(times) >= DEFAULT_INTERVAL_SECONDS * (1 - JITTER)
    assert max(times) <= DEFAULT_INTERVAL_SECONDS
    assert {least for _, least in told} == {DEFAULT_INTERVAL_SECONDS // 4}


def test_who_found_nobody_comes_back_soon() -> None:
    time, least = AnnounceInterval(Random(1), DEFAULT_INTERVAL_SECONDS).after(lonely=True)
    assert 0 < least <= time <= LONELY_INTERVAL_SECONDS


@pytest.mark.parametrize(("interval", "least"), [(120, 60), (60, 60), (10, 20), (1, None)])
@pytest.mark.parametrize("lonely", [False, True])
def test_the_least_is_never_more_than_the_interval(
    interval: int, least: int | None, lonely: bool
) -> None:
    time, allowed = AnnounceInterval(Random(1), interval, least).after(lonely)
    assert 1 <= allowed <= time <= interval
