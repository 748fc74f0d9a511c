"""Writes a plot of what a scenario returned, if that can be drawn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib.util import find_spec

from rawserver.cli.command_error import CommandError, describe
from rawserver.cli.scenarios.plot import draw
from rawserver.cli.scenarios.swarm_result import SwarmResult, result_of
from rawserver.simulation.outcome import Outcome

FORMATS = (".png", ".svg")
# Text of an SVG stays text, and what stands between dollars in a name is no formula.
STYLE = {"svg.hashsalt": "rawserver", "svg.fonttype": "none", "text.parse_math": False}
# A wish that cannot be met is wrong usage.
REFUSED_EXIT_CODE = 2


def check_plot(path: str) -> None:
    """Raise CommandError for a plot that could not be written, before hours of runs."""
    if _format_of(path) not in FORMATS:
        raise CommandError(f"{path}: a plot is a .png or .svg", REFUSED_EXIT_CODE)
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise CommandError(f"{path}: there is no folder {folder}", REFUSED_EXIT_CODE)
    if find_spec("matplotlib") is None:
        raise CommandError(
            "--plot needs matplotlib: pip install 'rawserver[plot]'", REFUSED_EXIT_CODE
        )


def write_plot(
    path: str, outcomes: Iterable[Outcome], replay: Callable[[Outcome], str] = lambda outcome: ""
) -> int:
    """Draw the first run that passed, as PNG or SVG by the suffix, and return its seed.

    `replay(outcome)` is the command that gives the same again, which is drawn as well. Raises
    CommandError if there is none that can be drawn, or the file cannot be written.
    """
    check_plot(path)
    for outcome in outcomes:
        if outcome.passed and outcome.result is not None and "peers" in outcome.result:
            _write(path, result_of(outcome.result), replay(outcome))
            return outcome.seed
    raise CommandError(f"{path} is not written: no run returned a swarm that can be drawn")


def _write(path: str, result: SwarmResult, command: str) -> None:
    from matplotlib import rc_context

    # The same run is the same file: no date, no ids by chance.
    metadata = {"Date": None} if _format_of(path) == ".svg" else {}
    with rc_context(STYLE):
        try:
            draw(result, command).savefig(path, format=_format_of(path)[1:], metadata=metadata)
        except OSError as error:
            raise CommandError(describe(error)) from error


def _format_of(path: str) -> str:
    return os.path.splitext(path)[1].lower()
