"""The options of `rawserver tracker` as a test wants them."""

from typing import Any

from rawserver.cli.tracker import tracker
from rawserver.cli.tracker_options import TrackerOptions


def tracker_options(*arguments: str) -> TrackerOptions:
    """Return what the command makes of its arguments."""
    context = tracker.make_context("tracker", list(arguments))
    settings: dict[str, Any] = dict(context.params)
    del settings["json_lines"]
    return TrackerOptions(**settings)
