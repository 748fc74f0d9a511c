"""Our `get` fetches from each real client."""

import filecmp
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interop.peers.aria2_peer import Aria2Peer
from interop.peers.libtorrent_peer import LibtorrentPeer
from interop.peers.ours import Ours
from interop.peers.transmission_peer import TransmissionPeer
from interop.trees import same_tree


def make(ours: Callable[..., Ours], data: Path, tmp_path: Path, *trackers: str) -> Path:
    """Make a .torrent of data with our `make`."""
    out = tmp_path / "made.torrent"
    options = [option for url in trackers for option in ("--announce", url)]
    ours("make", str(data), "-o", str(out), *options).wait_result()
    return out


def get(ours: Callable[..., Ours], torrent: Path, *options: str) -> dict[str, Any]:
    """Fetch into `got` and return the last event."""
    command = ours("get", str(torrent), "-o", "got", "--timeout", "60", *options)
    complete = command.wait_event("complete", 120)
    assert command.process.wait(30) == 0
    return complete


def test_from_libtorrent_by_its_address(
    big_file: Path, tmp_path: Path, ours: Callable[..., Ours], closing: Any
) -> None:
    torrent = make(ours, big_file, tmp_path)
    seed = closing(LibtorrentPeer(torrent, big_file.parent, seed=True))
    complete = get(ours, torrent, "--peer", f"127.0.0.1:{seed.port}")
    assert complete["bytes_downloaded"] == big_file.stat().st_size
    assert filecmp.cmp(big_file, tmp_path / "got" / big_file.name, shallow=False)


def test_a_folder_from_libtorrent(
    folder: Path, tmp_path: Path, ours: Callable[..., Ours], closing: Any
) -> None:
    torrent = make(ours, folder, tmp_path)
    seed = closing(LibtorrentPeer(torrent, folder.parent, seed=True))
    get(ours, torrent, "--peer", f"127.0.0.1:{seed.port}")
    assert same_tree(folder, tmp_path / "got" / folder.name)


def test_from_transmission_through_our_tracker(
    folder: Path, tmp_path: Path, ours: Callable[..., Ours], closing: Any
) -> None:
    # Transmission 3.00 seeds 14 MiB a second whatever the line, hence the smaller data.
    tracker = ours("tracker", "--http", "127.0.0.1:0")
    torrent = make(ours, folder, tmp_path, tracker.wait_event("ready")["http"])
    copy = tmp_path / "seeded"
    shutil.copytree(folder, copy / folder.name)
    closing(TransmissionPeer(torrent, copy, tmp_path)).wait_complete()
    get(ours, torrent)
    assert same_tree(folder, tmp_path / "got" / folder.name)
    tracker.end()


def test_from_aria2_through_our_tracker(
    big_file: Path, tmp_path: Path, ours: Callable[..., Ours], closing: Any
) -> None:
    tracker = ours("tracker", "--http", "127.0.0.1:0")
    torrent = make(ours, big_file, tmp_path, tracker.wait_event("ready")["http"])
    closing(Aria2Peer(torrent, big_file.parent, tmp_path, seed=True))
    get(ours, torrent)
    assert filecmp.cmp(big_file, tmp_path / "got" / big_file.name, shallow=False)
    tracker.end()
