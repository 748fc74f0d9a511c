"""`rawserver edit TORRENT`: change what a .torrent says (the old btreannounce and btrename)."""

from __future__ import annotations

from typing import Any

import click

from rawserver.cli.command_error import CommandError
from rawserver.cli.output import Output
from rawserver.cli.parameters import TRACKER_URL, json_option
from rawserver.cli.torrent_file import (
    check_may_write,
    describe_torrent,
    read_torrent,
    write_torrent,
)
from rawserver.wire.metainfo import parse_metainfo
from rawserver.wire.metainfo_writer import edit_metainfo


@click.command(
    epilog="Examples: 'rawserver edit a.torrent --announce http://host:6969/announce'  "
    "'rawserver edit a.torrent --comment \"\" -o b.torrent'"
)
@click.argument("torrent")
@click.option(
    "--announce",
    "announce",
    type=TRACKER_URL,
    multiple=True,
    help="The tracker in place of all there are. Repeatable: each is asked if the last fails.",
)
@click.option("--no-announce", is_flag=True, help="Remove all trackers.")
@click.option("--comment", help='The comment; "" removes it.')
@click.option("--name", help="The name of the file or folder. Changes the info-hash.")
@click.option("--source", help='The source tag; "" removes it. Changes the info-hash.')
@click.option(
    "--private/--public",
    default=None,
    help="Whether peers come from the trackers alone. Changes the info-hash.",
)
@click.option(
    "-o", "--output", "out", metavar="OUT", help="Write to OUT.  [default: change TORRENT itself]"
)
@json_option
def edit(
    torrent: str,
    announce: tuple[str, ...],
    no_announce: bool,
    out: str | None,
    json_lines: bool,
    **texts: Any,
) -> None:
    """Change the .torrent file TORRENT; all that is not named stays as it stands.

    Trackers and comment leave the info-hash as it is. With another name, source or private flag
    it is another torrent: peers of the old one are not found by it.
    """
    changes: dict[str, Any] = {key: value for key, value in texts.items() if value is not None}
    if announce or no_announce:
        if announce and no_announce:
            raise click.UsageError("--announce and --no-announce exclude each other")
        changes["trackers"] = [[url] for url in announce]
    if not changes:
        raise click.UsageError("nothing to change: give --announce, --comment, --name...")
    path = out or torrent
    before = read_torrent(torrent)
    check_may_write(path)
    try:
        data = edit_metainfo(before.raw, **changes)
    except ValueError as error:
        raise CommandError(f"{torrent}: {error}") from None
    write_torrent(path, data)
    after = parse_metainfo(data)
    output = Output(json_lines)
    if after.info_hash != before.info_hash:
        output.note(f"the info-hash has changed from {before.info_hash.hex()}")
    output.event({"torrent": path, **describe_torrent(after)})
    output.text(f"{path}: written, info-hash {after.info_hash.hex()}")
    output.close()
