"""Torrents made by hand for the tests of this room."""

import hashlib
import os
from pathlib import Path
from typing import Any

from rawserver.wire.bencode import encode

PIECE_LENGTH = 16384


def single_torrent(name: str, data: bytes, **top: Any) -> bytes:
    """Return a .torrent of one file."""
    info = {b"name": name.encode(), b"length": len(data)}
    return encode({**keys(top), b"info": {**info, **pieces(data)}})


def folder_torrent(name: str, files: dict[str, bytes], **top: Any) -> bytes:
    """Return a .torrent of a folder; the files' paths have slashes."""
    listed = [
        {b"length": len(data), b"path": [part.encode() for part in path.split("/")]}
        for path, data in files.items()
    ]
    info = {b"name": name.encode(), b"files": listed, **pieces(b"".join(files.values()))}
    return encode({**keys(top), b"info": info})


def pieces(data: bytes) -> dict[bytes, Any]:
    hashes = [
        hashlib.sha1(data[start : start + PIECE_LENGTH]).digest()
        for start in range(0, len(data), PIECE_LENGTH)
    ]
    return {b"piece length": PIECE_LENGTH, b"pieces": b"".join(hashes)}


def keys(top: dict[str, Any]) -> dict[bytes, Any]:
    return {key.replace("_", " ").encode(): value for key, value in top.items()}


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files below a folder, which is made."""
    for path, data in files.items():
        os.makedirs(folder / os.path.dirname(path), exist_ok=True)
        (folder / path).write_bytes(data)
