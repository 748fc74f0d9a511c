"""Reading and writing .torrent files, and what scripts and people are told of one."""

from __future__ import annotations

import os
from typing import Any

from rawserver.cli.command_error import CommandError
from rawserver.wire.metainfo import Metainfo, MetainfoError, MetainfoFile, parse_metainfo

# As libtorrent: what is above is no .torrent, and is not read.
LARGEST_TORRENT_BYTES = 10_000_000


def read_torrent(path: str) -> Metainfo:
    """Return what the .torrent at `path` says; raises CommandError in one line."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_TORRENT_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    return parse_torrent(data, path)


def parse_torrent(data: bytes, source: str) -> Metainfo:
    """Return what a .torrent's bytes say; raises CommandError naming the `source`."""
    if len(data) > LARGEST_TORRENT_BYTES:
        raise CommandError(f"{source}: larger than 10 MB, so this is no .torrent")
    try:
        return parse_metainfo(data)
    except MetainfoError as error:
        raise CommandError(f"{source}: {error}") from None


def check_may_write(path: str) -> None:
    """Refuse at once, before hours of hashing, what could not be written at the end.

    What is there may be replaced only if it is a .torrent: a slip in a command line must not
    cost a file. Raises CommandError.
    """
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise CommandError(f"{path}: is a folder; name the .torrent file to write")
    if not os.path.isdir(folder):
        raise CommandError(f"{path}: cannot be written: there is no folder {folder}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CommandError(f"{path}: cannot be written: Permission denied")
    if os.path.lexists(path):
        check_is_torrent(path)


def check_is_torrent(path: str) -> None:
    """Raise CommandError unless the file at `path` is a .torrent, which may be replaced."""
    try:
        if not os.path.isfile(path):
            raise CommandError("no regular file")
        read_torrent(path)
    except CommandError:
        raise CommandError(f"{path}: exists and is no .torrent, so it is not replaced") from None


def write_torrent(path: str, data: bytes) -> None:
    """Write a .torrent whole or not at all; raises CommandError."""
    from rawserver.engine.os_disk import OsDisk

    check_may_write(path)
    try:
        OsDisk().replace_file(path, data)
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror}") from None


def describe_torrent(metainfo: Metainfo) -> dict[str, Any]:
    """Return what `make` and `show` print with `--json`: sizes in bytes, hashes in hex."""
    fields: dict[str, Any] = {
        "info_hash": metainfo.info_hash.hex(),
        "name": metainfo.name,
        "total_size": metainfo.total_size,
        "piece_length": metainfo.piece_length,
        "num_pieces": metainfo.num_pieces,
        "files": [describe_file(file) for file in metainfo.files],
        "trackers": [list(tier) for tier in metainfo.trackers],
        "private": metainfo.private,
        "single": metainfo.single,
        "comment": metainfo.comment,
        "created_by": metainfo.created_by,
        "creation_date": metainfo.creation_date,
        "source": metainfo.source,
        "url_list": list(metainfo.url_list),
        "warnings": list(metainfo.warnings),
    }
    return fields


def describe_file(file: MetainfoFile) -> dict[str, Any]:
    """Return a file's path in the torrent, its length, and whether it is mere padding (BEP 47)."""
    fields: dict[str, Any] = {"path": "/".join(file.path), "length": file.length}
    if file.padding:
        fields["padding"] = True
    return fields
