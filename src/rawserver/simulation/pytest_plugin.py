"""The plugin of pytest: the fixture `world`, and what is told of one when its test fails.

It is loaded in every run of pytest where RawServer is installed: so it imports what it needs
when a test asks for a world, and does nothing in others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest

if TYPE_CHECKING:
    from rawserver.simulation.outcome import Outcome
    from rawserver.simulation.world import World

# The world of a test, while there is one.
_WORLD: pytest.StashKey[Any] = pytest.StashKey()
OPTION = "--simulation-seed"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that replays a test."""
    parser.getgroup("rawserver", "simulated internet").addoption(
        OPTION,
        type=int,
        default=None,
        metavar="N",
        help="the seed of every `world`, in place of one that follows from the test's node id",
    )


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A simulated internet (`rawserver.simulation.World`) with a seed of the test's own.

    What handlers raise in it fails the test, unless it sets `world.faults_expected`.
    """
    from rawserver.simulation.world import World

    item = request.node
    seed = request.config.getoption(OPTION)
    made = World(crc32(item.nodeid.encode()) if seed is None else seed)
    item.stash[_WORLD] = made
    yield made
    del item.stash[_WORLD]


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Fail a test in whose world a handler failed."""
    result: Any = yield
    made = pyfuncitem.stash.get(_WORLD, None)
    if made is None or made.faults_expected or result.excinfo is not None:
        return
    from rawserver.simulation.runner import handler_faults

    faults = handler_faults(made)
    if faults:
        # An error that is raised here is the test's own.
        result.force_exception(AssertionError("handlers raised:\n" + "\n".join(faults)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    """Add what is to be known of the world to the report of a failure."""
    result: Any = yield
    report = result.get_result()
    made = item.stash.get(_WORLD, None)
    if made is None or call.when != "call" or not report.failed:
        return
    from rawserver.simulation.runner import outcome_of_world

    outcome = outcome_of_world(made, call.excinfo.value if call.excinfo is not None else None)
    report.sections.append(("simulation", "\n".join(_lines(item, outcome))))


def _lines(item: pytest.Item, outcome: Outcome) -> list[str]:
    lines = [
        f"seed {outcome.seed}, {outcome.virtual_seconds:.6f} s into it, "
        f"{outcome.events} events, trace {outcome.trace_hash}",
        f"replay: pytest '{item.nodeid}' {OPTION} {outcome.seed}",
    ]
    if outcome.handler_faults:
        lines += ["handlers raised:", *outcome.handler_faults]
    if outcome.faults:
        lines += ["faults of the chaos:", *(f"  {text}" for _, text in outcome.happened())]
    if outcome.last:
        lines += ["last events:", *(f"  {entry}" for entry in outcome.last)]
    return lines
