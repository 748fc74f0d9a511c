"""`rawserver show TORRENT`: what is in a .torrent."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from rawserver.cli.output import Output
from rawserver.cli.parameters import json_option
from rawserver.cli.printable import printable
from rawserver.cli.quantity import format_size
from rawserver.cli.torrent_file import describe_torrent, read_torrent
from rawserver.wire.metainfo import Metainfo


@click.command(epilog="Example: rawserver show debian.iso.torrent")
@click.argument("torrent")
@json_option
def show(torrent: str, json_lines: bool) -> None:
    """Show what is in the .torrent file TORRENT: name, info-hash, sizes, files, trackers."""
    metainfo = read_torrent(torrent)
    output = Output(json_lines)
    output.event(describe_torrent(metainfo))
    if output.for_terminal:
        print_tables(metainfo)
    elif not json_lines:
        print_plain(metainfo, output)
    output.close()


def summary(metainfo: Metainfo) -> list[tuple[str, str]]:
    """Return what is said of the torrent as a whole, as pairs of label and text."""
    pairs = [
        ("name", metainfo.name),
        ("info-hash", metainfo.info_hash.hex()),
        ("size", f"{format_size(metainfo.total_size)} ({metainfo.total_size:,} bytes)"),
        ("pieces", f"{metainfo.num_pieces:,} of {format_size(metainfo.piece_length)}"),
        ("private", "yes" if metainfo.private else "no"),
    ]
    for number, tier in enumerate(metainfo.trackers, 1):
        pairs.append((f"tracker, tier {number}", " ".join(tier)))
    pairs += [("web seed", url) for url in metainfo.url_list]
    if metainfo.creation_date is not None:
        pairs.append(("created", format_date(metainfo.creation_date)))
    for label, text in (
        ("created by", metainfo.created_by),
        ("comment", metainfo.comment),
        ("source", metainfo.source),
    ):
        if text:
            pairs.append((label, text))
    pairs += [("warning", warning) for warning in metainfo.warnings]
    return pairs


def format_date(seconds: int) -> str:
    """Write seconds since 1970 as a date; a .torrent may hold any number there."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, OSError, ValueError):
        return f"{seconds} seconds since 1970"


def print_plain(metainfo: Metainfo, output: Output) -> None:
    """Print lines that other programs can cut: one fact each, then one file each."""
    for label, text in summary(metainfo):
        output.text(f"{label}: {text}")
    output.text(f"files: {len(metainfo.files)}")
    for file in metainfo.files:
        output.text(f"{file.length:>15}  {'/'.join(file.path)}{padding_mark(file.padding)}")


def padding_mark(padding: bool) -> str:
    """Return what marks a padding file (BEP 47), which is never written to disk."""
    return "  (padding)" if padding else ""


def print_tables(metainfo: Metainfo) -> None:
    """Print the same as tables for a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    for label, text in summary(metainfo):
        facts.add_row(Text(label, "bold"), Text(printable(text), overflow="fold"))
    files = Table("size", "file", box=None, header_style="bold", padding=(0, 2, 0, 0))
    files.columns[0].justify = "right"
    for file in metainfo.files:
        name = printable("/".join(file.path)) + padding_mark(file.padding)
        files.add_row(format_size(file.length), Text(name, overflow="fold"))
    console = Console()
    console.print(facts)
    console.print()
    console.print(files)
