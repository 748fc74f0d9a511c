"""`rawserver share PATH...`: make, track and seed in one process."""

from __future__ import annotations

from typing import Any

import click

from rawserver.cli.output import Output
from rawserver.cli.parameters import (
    PORT,
    TRACKER_URL,
    https_options,
    json_option,
    port_option,
    upload_limit_option,
)


@click.command(
    epilog="Examples: 'rawserver share photos'  "
    "'rawserver share disk.img --host 10.0.0.5 --tracker-port 6969 --upload-limit 20M'"
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--host",
    help="The address that other machines are told.  [default: that of the network]",
)
@port_option
@click.option(
    "--tracker-port",
    type=PORT,
    default=0,
    help="Port of the tracker, which also hands out the .torrent; 0 takes any free one.",
)
@click.option(
    "--announce",
    type=TRACKER_URL,
    multiple=True,
    help="Use this tracker in place of our own. Repeatable.",
)
@click.option(
    "--torrent",
    metavar="OUT",
    help="Where to write the .torrent.  [default: NAME.torrent in the current folder, or beside "
    "PATH if that is the current folder]",
)
@click.option(
    "--data",
    metavar="DIR",
    help="If PATH is a .torrent: its content, or the folder that it lies in.  "
    "[default: the .torrent's folder]",
)
@upload_limit_option
@https_options
@json_option
def share(paths: tuple[str, ...], json_lines: bool, **options: Any) -> None:
    """Share each PATH: a file, a folder, or an existing .torrent with its data.

    It makes the .torrent, runs a tracker and a seeder, prints the line to type on other machines,
    and serves until ^C.

    An existing .torrent is verified first and stays as it is. If it names trackers, those are
    used; if it names none, or --host or --announce is given, it is handed out with our tracker
    (or the given ones) in their place; --torrent OUT writes that version too.
    """
    if len(paths) > 1 and (options["torrent"] or options["data"]):
        raise click.UsageError("--torrent and --data go with one PATH")
    from rawserver.cli.share_run import ShareOptions, ShareRun

    ShareRun(Output(json_lines), paths, ShareOptions(**options)).run()
