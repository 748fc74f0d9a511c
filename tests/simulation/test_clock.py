"""One clock never jumps; the other is as wrong as a test wants it."""

import pytest

from rawserver.simulation.clock import EPOCH, HostClock


class World:
    now = 1000.0


def test_the_two_clocks_of_a_host_that_is_right() -> None:
    clock = HostClock(World())
    assert clock.time() == 1000.0
    assert clock.wall_time() == EPOCH + 1000.0


def test_skew_drift_and_steps_are_of_the_wall_clock_alone() -> None:
    world = World()
    clock = HostClock(world, skew=-30.0, drift=0.5)
    assert clock.wall_time() == EPOCH + 970.0
    world.now += 100.0
    assert clock.wall_time() == EPOCH + 1120.0
    clock.step(-3600.0)
    assert clock.wall_time() == EPOCH + 1120.0 - 3600.0
    assert clock.time() == 1100.0


def test_a_new_drift_does_not_make_it_jump() -> None:
    world = World()
    clock = HostClock(world, drift=0.5)
    world.now += 10.0
    before = clock.wall_time()
    clock.set_drift(-0.25)
    assert clock.wall_time() == pytest.approx(before)
    world.now += 4.0
    assert clock.wall_time() == pytest.approx(before + 3.0)
    clock.synchronize()
    assert clock.wall_time() == EPOCH + world.now
