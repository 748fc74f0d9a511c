"""The collector while a world runs."""

import gc
from collections.abc import Iterator

import pytest

from rawserver.simulation.collector import (
    YOUNG_OBJECTS,
    YOUNG_OBJECTS_PER_HOST,
    rare_collections,
)
from rawserver.simulation.world import World


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_collections_are_rare_inside_and_as_before_after() -> None:
    gc.set_threshold(700, 11, 12)
    with rare_collections():
        assert gc.get_threshold() == (YOUNG_OBJECTS, 11, 12)
    assert gc.get_threshold() == (700, 11, 12)


@pytest.mark.parametrize("threshold", [0, 10 * YOUNG_OBJECTS])
def test_a_collector_that_is_rarer_stays_so(threshold: int) -> None:
    gc.set_threshold(threshold, 11, 12)
    with rare_collections(5):
        assert gc.get_threshold()[0] == threshold


def test_they_are_rarer_where_there_are_many_hosts() -> None:
    gc.set_threshold(700, 11, 12)
    with rare_collections(1000):
        assert gc.get_threshold() == (1000 * YOUNG_OBJECTS_PER_HOST, 11, 12)
    assert gc.get_threshold() == (700, 11, 12)


def test_a_world_runs_so() -> None:
    gc.set_threshold(700, 11, 12)
    world = World()
    for number in range(100):
        world.add_host(f"host{number}", f"10.0.0.{number}")
    seen: list[int] = []
    world.schedule(1.0, lambda: seen.append(gc.get_threshold()[0]))
    world.run()
    assert seen == [100 * YOUNG_OBJECTS_PER_HOST]
    assert gc.get_threshold()[0] == 700
