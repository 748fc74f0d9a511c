"""Content to share, and its metainfo."""

import hashlib
import random
from pathlib import Path

from rawserver.wire.metainfo import Metainfo, parse_metainfo
from rawserver.wire.metainfo_writer import build_info, build_metainfo

PIECE_LENGTH = 32 * 1024


def random_bytes(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count)


def metainfo_of(
    data: bytes,
    name: str = "content.bin",
    piece_length: int = PIECE_LENGTH,
    trackers: tuple[tuple[str, ...], ...] = (),
) -> Metainfo:
    """Return the metainfo of a single file that holds `data`."""
    pieces = b"".join(
        hashlib.sha1(data[start : start + piece_length]).digest()
        for start in range(0, len(data), piece_length)
    )
    info = build_info(name, len(data), piece_length, pieces)
    return parse_metainfo(build_metainfo(info, trackers))


def folder_metainfo(
    files: list[tuple[tuple[str, ...], bytes]], name: str = "folder", piece_length: int = 16384
) -> Metainfo:
    """Return the metainfo of a folder."""
    data = b"".join(content for _, content in files)
    pieces = b"".join(
        hashlib.sha1(data[start : start + piece_length]).digest()
        for start in range(0, len(data), piece_length)
    )
    listed = [(path, len(content)) for path, content in files]
    return parse_metainfo(build_metainfo(build_info(name, listed, piece_length, pieces)))


def write_folder(root: Path, files: list[tuple[tuple[str, ...], bytes]]) -> None:
    """Put the files on disk."""
    for path, content in files:
        place = root.joinpath(*path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
