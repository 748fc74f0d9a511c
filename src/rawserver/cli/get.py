"""`rawserver get SOURCE`: fetch what a .torrent describes."""

from __future__ import annotations

from typing import Any

import click

from rawserver.cli.command_error import CommandError
from rawserver.cli.output import Output
from rawserver.cli.parameters import (
    PEER,
    RATIO,
    SECONDS,
    SOME_SECONDS,
    https_options,
    json_option,
    port_option,
    upload_limit_option,
)


@click.command(
    epilog="Examples: 'rawserver get http://192.168.1.20:40123/photos.torrent'  "
    "'rawserver get photos.torrent -o /data --seed-ratio 1 --timeout 600'"
)
@click.argument("source")
@click.option(
    "-o",
    "--output",
    "directory",
    metavar="DIR",
    default=".",
    help="Folder to put the content into; made if it is not there.  [default: current folder]",
)
@port_option
@click.option(
    "--peer", "peers", type=PEER, multiple=True, help="Dial this peer as well. Repeatable."
)
@click.option(
    "--seed-time",
    type=SECONDS,
    default=0.0,
    help="Go on serving others for so many seconds after the last piece.",
)
@click.option(
    "--seed-ratio",
    type=RATIO,
    default=None,
    help="Go on serving others until so many times the size is uploaded, or --seed-time is over.",
)
@click.option(
    "--timeout",
    type=SOME_SECONDS,
    default=None,
    help="Give up after so many seconds without progress.  [default: never]",
)
@upload_limit_option
@https_options
@json_option
def get(source: str, json_lines: bool, **options: Any) -> None:
    """Fetch what SOURCE describes: a .torrent file, or its http:// or https:// URL.

    Every piece is verified before it counts. What is on disk already is verified and kept, so
    the same command goes on where an earlier one was ended. It leaves when all is complete,
    unless told to go on serving. It exits with 0 only when the content is complete.
    """
    if source[:7].lower() == "magnet:":
        raise CommandError("magnet links are not supported yet; give a .torrent or its URL")
    from rawserver.cli.get_run import GetOptions, GetRun

    GetRun(Output(json_lines), source, GetOptions(**options)).run()
