"""How what came of simulations is told, to people and to scripts."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from typing import Any

from rawserver.cli.quantity import format_duration
from rawserver.simulation.outcome import Outcome
from rawserver.simulation.world import BEGINNING

# Of those that a failure needs; scripts get all.
MOST_FAULTS = 20


def run_event(outcome: Outcome) -> dict[str, Any]:
    """Return what a script hears of each run."""
    return {
        "event": "run",
        "seed": outcome.seed,
        "passed": outcome.passed,
        "error": outcome.error,
        "virtual_seconds": outcome.virtual_seconds,
        "events": outcome.events,
        "trace": outcome.trace_hash,
        "num_faults": len(outcome.happened()),
        "result": outcome.result,
    }


def failure_event(outcome: Outcome, replay: Sequence[str], shrinking_runs: int) -> dict[str, Any]:
    """Return what a script hears of the failure that was looked into."""
    return {
        "event": "failure",
        **outcome.as_dict(),
        "needed_faults": [text for _, text in outcome.happened()],
        "shrinking_runs": shrinking_runs,
        "replay": shlex.join(replay),
    }


def describe_run(outcome: Outcome) -> list[str]:
    """Return the lines for one run that passed."""
    return [
        *outcome.result_lines,
        f"seed {outcome.seed} passed: {_seconds(outcome.virtual_seconds)} in {outcome.events:,} "
        f"events, trace {outcome.trace_hash}",
    ]


def describe_runs(outcomes: Sequence[Outcome], asked: int, seconds: float) -> str:
    """Return the line for all runs; `seconds` are real ones."""
    failed = [outcome for outcome in outcomes if not outcome.passed]
    virtual = sum(outcome.virtual_seconds for outcome in outcomes)
    events = sum(outcome.events for outcome in outcomes)
    of_asked = "" if len(outcomes) == asked else f" of {asked}"
    result = f"{len(failed)} failed" if failed else "all passed" if outcomes else "none ended"
    return (
        f"{len(outcomes)}{of_asked} seeds, {result}: {format_duration(virtual)} of virtual time, "
        f"{events:,} events in {seconds:.1f} s"
    )


def describe_progress(
    scenario: str, done: int, total: int, seconds: float, running: Sequence[int]
) -> str:
    """Return the line that is drawn over itself."""
    rate = done / seconds if seconds > 0 else 0.0
    line = f"{os.path.basename(scenario)}  {done} of {total} seeds  {rate:.1f} seeds/s"
    if running:
        line += f"  running {', '.join(map(str, running))}"
    return f"{line}  (^C ends)"


def describe_failure(outcome: Outcome, replay: Sequence[str], shrinking_runs: int) -> list[str]:
    """Return the lines for people: what failed, when, after what, and how to see it again."""
    at = ""
    if outcome.trace_hash:
        now = BEGINNING + outcome.virtual_seconds
        at = f" {_seconds(outcome.virtual_seconds)} into it (at {now:.6f})"
        at += f", after {outcome.events:,} events"
    lines = [f"seed {outcome.seed} FAILED{at}", "", outcome.error]
    if outcome.where:
        lines.append(f"  {outcome.where}")
    if outcome.traceback:
        lines += ["", *outcome.traceback.splitlines()]
    reports = [one for one in outcome.handler_faults if one != outcome.traceback]
    if reports:
        lines += ["", "handlers raised:"]
        lines += [f"  {line}" for report in reports for line in report.splitlines()]
    lines += _describe_faults(outcome, shrinking_runs)
    if outcome.last:
        lines += ["", "last events:", *(f"  {entry}" for entry in outcome.last)]
    return [*lines, "", f"replay: {shlex.join(replay)}"]


def _describe_faults(outcome: Outcome, shrinking_runs: int) -> list[str]:
    if not outcome.faults:
        return []
    happened = outcome.happened()
    total = len(outcome.faults)
    if not shrinking_runs:
        lines = ["", f"faults: {len(happened)} of {total}"]
    else:
        runs = f"{shrinking_runs} run{'' if shrinking_runs == 1 else 's'}"
        lines = ["", f"faults that it needs: {len(happened) or 'none'} of {total} ({runs})"]
    lines += [f"  {number}: {text}" for number, text in happened[:MOST_FAULTS]]
    if len(happened) > MOST_FAULTS:
        lines.append(f"  and {len(happened) - MOST_FAULTS} more (--json has all)")
    return lines


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f} s"
