"""Runs a scenario with a seed, and says what came of it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Collection

from rawserver.simulation.outcome import Outcome, describe_error, place_of
from rawserver.simulation.recorded_world import RecordedWorld
from rawserver.simulation.scenario import Result, Scenario
from rawserver.simulation.trace import describe
from rawserver.simulation.world import BEGINNING, World

# Of the trace, in the report of a failure.
LAST_ENTRIES = 20
# Of what handlers raised: one that fails at each call would fill the report.
MOST_HANDLER_FAULTS = 20


def run_seed(
    scenario: Scenario,
    seed: int,
    *,
    hosts: int | None = None,
    kept: Collection[int] | None = None,
    timeline: str | None = None,
    pcap: str | None = None,
) -> Outcome:
    """Run a scenario in a new world; an exception of any kind is a failure, ^C goes through.

    What handlers raise is a failure too, unless the scenario sets `world.faults_expected`. `kept`
    are the numbers of the chaos' faults that may happen (None: all). `timeline` is a file to be
    written and `pcap` a folder: OSError if that cannot be.
    """
    with RecordedWorld(seed, timeline, pcap) as world:
        world.kept_faults = None if kept is None else frozenset(kept)
        try:
            result = scenario(world) if hosts is None else scenario(world, hosts=hosts)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit() of a program is no end of ours
            frames = error.__traceback__
            # Not from here, but from the scenario on.
            error.__traceback__ = frames.tb_next if frames is not None else None
            return outcome_of_world(world, error)
        return outcome_of_world(world, None, result)


def outcome_of_world(world: World, error: BaseException | None, result: object = None) -> Outcome:
    """Return what came of a world, in which an error ended the scenario or None did."""
    faults = handler_faults(world)
    line = where = trace = ""
    if error is not None:
        line, where = describe_error(error), place_of(error)
        trace = "".join(traceback.format_exception(error)).rstrip()
    elif faults and not world.faults_expected:
        # The last line of a traceback says what it was.
        line, trace = f"HandlerFault: {faults[0].splitlines()[-1]}", faults[0]
        where = _place_in(faults[0])
    kept = world.kept_faults
    return Outcome(
        seed=world.seed,
        passed=not line,
        error=line,
        where=where,
        traceback=trace,
        virtual_seconds=world.now - BEGINNING,
        events=world.events,
        trace_hash=world.trace.hexdigest(),
        last=tuple(describe(entry) for entry in tuple(world.trace.last)[-LAST_ENTRIES:]),
        handler_faults=tuple(faults[:MOST_HANDLER_FAULTS]),
        faults=tuple(str(fault) for fault in world.planned_faults),
        kept=None if kept is None else tuple(sorted(kept)),
        result=result.as_dict() if isinstance(result, Result) else None,
        result_lines=tuple(result.lines()) if isinstance(result, Result) else (),
    )


def handler_faults(world: World) -> list[str]:
    """Return what RawServers told as errors, in the order of time, with the host and the time."""
    found = [
        (time, f"{time:.6f} {host.name}: {text}")
        for host in world.hosts.values()
        for time, level, text in host.reports
        if level >= logging.ERROR
    ]
    found.sort(key=lambda one: one[0])
    return [text for _, text in found]


def _place_in(report: str) -> str:
    """Return the innermost place of a traceback as text."""
    places = [line.strip() for line in report.splitlines() if line.startswith('  File "')]
    if not places:
        return ""
    file, _, rest = places[-1].removeprefix('File "').partition('", line ')
    return f"{file}:{rest}"
