"""Writes a plot of what a scenario returned, if that can be drawn."""

from __future__ import annotations

from collections.abc import Iterable

from rawserver.cli.command_error import CommandError, describe
from rawserver.cli.scenarios.plot import draw
from rawserver.cli.scenarios.swarm_result import result_of
from rawserver.simulation.outcome import Outcome


def write_plot(path: str, outcomes: Iterable[Outcome]) -> int:
    """Draw the first run that passed as SVG, and return its seed.

    Raises CommandError if there is none that can be drawn, or the file cannot be written.
    """
    for outcome in outcomes:
        if outcome.passed and outcome.result is not None and "peers" in outcome.result:
            try:
                with open(path, "w", encoding="utf-8") as file:
                    file.write(draw(result_of(outcome.result)))
            except OSError as error:
                raise CommandError(describe(error)) from error
            return outcome.seed
    raise CommandError(f"{path} is not written: no run returned a swarm that can be drawn")
