"""Scenarios of a simulated internet, each run with some seeds: many in CI, few at a desk."""

import os
from collections.abc import Callable
from typing import TypeVar

from rawserver.simulation.guard import RealWorldGuard
from rawserver.simulation.world import World

SEEDS = range(20 if os.environ.get("CI") == "true" else 2)

ResultT = TypeVar("ResultT")


def play(scenario: Callable[..., ResultT], seed: int, **options: int) -> tuple[World, ResultT]:
    """Run a scenario in a new world that may not touch the real one."""
    world = World(seed)
    world.guard = RealWorldGuard()
    return world, scenario(world, **options)
