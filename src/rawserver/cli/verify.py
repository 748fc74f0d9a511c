"""`rawserver verify TORRENT DATA`: which pieces and which files are bad."""

from __future__ import annotations

import click

from rawserver.cli.output import Output
from rawserver.cli.parameters import json_option


@click.command(
    epilog="Examples: 'rawserver verify photos.torrent photos'  "
    "'rawserver verify disk.torrent /data --json'"
)
@click.argument("torrent")
@click.argument("data")
@json_option
def verify(torrent: str, data: str, json_lines: bool) -> int:
    """Compare DATA with the .torrent file TORRENT, piece by piece.

    DATA is the file or folder, or the folder that it lies in. Exits with 0 if all is there and
    right, with 1 if not.
    """
    from rawserver.cli.data_location import locate_data
    from rawserver.cli.torrent_file import read_torrent
    from rawserver.cli.verify_run import VerifyRun

    metainfo = read_torrent(torrent)
    return VerifyRun(Output(json_lines), metainfo, locate_data(metainfo, data)).run()
