"""Two runs of a scenario are compared, and the first difference is told."""

from itertools import count
from pathlib import Path

from rawserver.simulation.determinism import (
    Divergence,
    check_determinism,
    compare_timelines,
)
from rawserver.simulation.world import World
from simulation.pairs import echo


def test_a_scenario_is_the_same_twice() -> None:
    assert check_determinism(echo, 5) is None


def test_the_first_difference_is_told() -> None:
    number = count()

    def differs(world: World) -> None:
        world.trace.event(world.now, "same")
        world.trace.event(world.now, "other", next(number))
        world.trace.event(world.now, "same again")

    found = check_determinism(differs, 1)
    assert found == Divergence(
        1, "1000.000000000 other details=[0]", "1000.000000000 other details=[1]"
    )
    assert str(found).startswith("entry 1 is 1000.000000000 other")


def test_a_run_that_goes_on_longer_is_told() -> None:
    number = count()

    def longer(world: World) -> None:
        for _ in range(next(number)):
            world.trace.event(world.now, "one more")

    found = check_determinism(longer, 1)
    assert found is not None
    assert (found.number, found.one) == (0, "")
    assert "is the end in one run" in str(found)


def test_another_error_of_the_same_trace_is_told() -> None:
    number = count()

    def fails(world: World) -> None:
        raise ValueError(next(number))

    assert check_determinism(fails, 1) == Divergence(-1, "ValueError: 0", "ValueError: 1")


def test_timelines_that_are_alike(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_text('{"time": 1, "event": "a"}\n')
    assert compare_timelines(str(path), str(path)) is None
