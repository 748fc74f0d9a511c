"""`rawserver tracker`: the HTTP tracker alone."""

from __future__ import annotations

import click

from rawserver.cli.output import Output
from rawserver.cli.parameters import ADDRESS, json_option


@click.command(epilog="Examples: 'rawserver tracker'  'rawserver tracker --http 192.168.1.20:6969'")
@click.option(
    "--http",
    "address",
    type=ADDRESS,
    default="0.0.0.0:6969",
    show_default=True,
    help="Where to listen; 0.0.0.0 or [::] for all addresses, port 0 for any free one.",
)
@json_option
def tracker(address: tuple[str, int], json_lines: bool) -> None:
    """Run an HTTP tracker until ^C.

    It tells the peers of any torrent of each other: /announce and /scrape for programs, / for
    people.
    """
    from rawserver.cli.tracker_run import TrackerRun

    TrackerRun(Output(json_lines), address).run()
