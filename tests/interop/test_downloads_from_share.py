"""Each real client fetches from our `share`, found through its embedded tracker."""

import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interop.peers.aria2_peer import Aria2Peer
from interop.peers.libtorrent_peer import LibtorrentPeer
from interop.peers.ours import Ours
from interop.peers.program import wait_for
from interop.peers.transmission_peer import TransmissionPeer
from interop.trees import same_tree

Client = Callable[[Path, Path, Path], Any]
CLIENTS: dict[str, Client] = {
    "libtorrent": lambda torrent, save, folder: LibtorrentPeer(torrent, save),
    "transmission": TransmissionPeer,
    "aria2": Aria2Peer,
}


@pytest.fixture(params=CLIENTS.values(), ids=CLIENTS.keys())
def client(request: pytest.FixtureRequest) -> Client:
    chosen: Client = request.param
    return chosen


def fetch(
    data: Path, client: Client, tmp_path: Path, ours: Callable[..., Ours], closing: Any
) -> tuple[Path, Ours]:
    share = ours("share", str(data), "--host", "127.0.0.1")
    ready = share.wait_event("ready")
    save = tmp_path / "saved"
    save.mkdir()
    peer = closing(client(tmp_path / ready["torrent"], save, tmp_path))
    peer.wait_complete()
    return save / data.name, share


def test_a_big_file(
    big_file: Path, client: Client, tmp_path: Path, ours: Callable[..., Ours], closing: Any
) -> None:
    saved, share = fetch(big_file, client, tmp_path, ours, closing)
    # libtorrent says that it is complete before all is written out.
    wait_for(lambda: filecmp.cmp(big_file, saved, shallow=False), "both files are the same")
    share.end()


def test_a_folder(
    folder: Path, client: Client, tmp_path: Path, ours: Callable[..., Ours], closing: Any
) -> None:
    saved, share = fetch(folder, client, tmp_path, ours, closing)
    transmission = client is TransmissionPeer
    wait_for(
        lambda: same_tree(folder, saved, without_empty=transmission), "both folders are the same"
    )
    share.end()
