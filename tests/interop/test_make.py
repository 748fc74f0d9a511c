"""Our `make` and libtorrent's creator agree on what a torrent is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from interop.peers.libtorrent_peer import need_libtorrent


def our_info_hash(data: Path, tmp_path: Path, *options: str) -> str:
    out = tmp_path / "ours.torrent"
    command = [sys.executable, "-m", "rawserver", "make", str(data), "-o", str(out), "--json"]
    made = subprocess.run([*command, *options], check=True, capture_output=True, timeout=60)
    info_hash: str = json.loads(made.stdout)["info_hash"]
    return info_hash


def its_info_hash(data: Path, piece_length: int) -> str:
    lt = need_libtorrent()
    if data.is_file():
        entries = [lt.create_file_entry(data.name, data.stat().st_size)]
    else:
        paths = [path for path in data.rglob("*") if path.is_file()]
        paths.sort(key=lambda path: [part.encode() for part in path.relative_to(data).parts])
        entries = [
            lt.create_file_entry(str(path.relative_to(data.parent)), path.stat().st_size)
            for path in paths
        ]
    creator = lt.create_torrent(entries, piece_length, lt.create_torrent.v1_only)
    lt.set_piece_hashes(creator, str(data.parent))
    info = lt.torrent_info(lt.bdecode(lt.bencode(creator.generate())))
    return str(info.info_hash())


@pytest.mark.parametrize("piece_length", [16 * 1024, 256 * 1024])
def test_a_folder_has_the_same_info_hash(folder: Path, tmp_path: Path, piece_length: int) -> None:
    ours = our_info_hash(folder, tmp_path, "--piece-size", str(piece_length))
    assert ours == its_info_hash(folder, piece_length)


def test_a_file_has_the_same_info_hash(big_file: Path, tmp_path: Path) -> None:
    ours = our_info_hash(big_file, tmp_path, "--piece-size", "1M")
    assert ours == its_info_hash(big_file, 1024 * 1024)
