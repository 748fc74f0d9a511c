"""`rawserver make PATH -o OUT.torrent`: a .torrent of a file or folder."""

from __future__ import annotations

import os

import click

from rawserver.cli.command_error import CommandError, Interrupted
from rawserver.cli.output import Output
from rawserver.cli.parameters import PIECE_SIZE, TRACKER_URL, json_option


@click.command(
    epilog="Examples: 'rawserver make photos -o photos.torrent "
    "--announce http://192.168.1.20:6969/announce'  "
    "'rawserver make disk.img -o disk.torrent --piece-size 4M --no-date'"
)
@click.argument("path")
@click.option("-o", "--output", "out", metavar="OUT.torrent", required=True, help="What to write.")
@click.option(
    "--announce",
    type=TRACKER_URL,
    multiple=True,
    help="URL of a tracker. Repeatable: each is asked if the last fails.",
)
@click.option(
    "--piece-size",
    type=PIECE_SIZE,
    default="auto",
    show_default=True,
    help="Bytes, a power of two such as 256K or 4M; auto aims at 1,000 to 2,000 pieces.",
)
@click.option("--private", is_flag=True, help="Peers are to come from the trackers alone.")
@click.option("--comment", default="", help="Text for people.")
@click.option("--source", default="", help="A tag that makes another info-hash of the same files.")
@click.option("--no-date", is_flag=True, help="Leave the date out: same input, same bytes.")
@click.option("--name", help="Name of the file or folder.  [default: PATH's]")
@json_option
def make(
    path: str,
    out: str,
    announce: tuple[str, ...],
    piece_size: int | None,
    private: bool,
    comment: str,
    source: str,
    no_date: bool,
    name: str | None,
    json_lines: bool,
) -> None:
    """Make a .torrent of PATH, a file or a folder with all that is in it.

    Hashing uses all cores. The .torrent is written whole at the end, or not at all.
    """
    from rawserver.cli.torrent_file import check_may_write

    if not os.path.exists(path):
        raise CommandError(f"{path}: No such file or directory")
    check_may_write(out)
    run_make(
        Output(json_lines),
        path,
        out,
        piece_length=piece_size,
        private=private,
        comment=comment,
        source=source,
        trackers=[[url] for url in announce],
        dated=not no_date,
        name=name,
    )


def run_make(output: Output, path: str, out: str, **options: object) -> None:
    """Make, write and describe a .torrent."""
    from rawserver.cli.making import Making
    from rawserver.cli.session import Session
    from rawserver.cli.torrent_file import describe_torrent, write_torrent
    from rawserver.wire.metainfo import parse_metainfo

    session = Session(output)
    results: list[bytes] = []

    def made(data: bytes) -> None:
        results.append(data)
        session.finish()

    making = Making(session, path, made, **options)

    def interrupted() -> None:
        making.cancel()
        session.finish(Interrupted())

    session.every(0.25, lambda: output.live.draw(making.line(output.live.width)))
    session.run(interrupted)
    (data,) = results
    write_torrent(out, data)
    metainfo = parse_metainfo(data)
    output.event({"torrent": out, **describe_torrent(metainfo)})
    pieces = f"{metainfo.num_pieces} piece{'' if metainfo.num_pieces == 1 else 's'}"
    output.text(f"{out}: written, {pieces}, info-hash {metainfo.info_hash.hex()}")
    output.close()
