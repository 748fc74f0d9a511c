"""Our tracker serves all clients at once, and we announce to opentracker."""

import filecmp
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interop.peers.aria2_peer import Aria2Peer
from interop.peers.libtorrent_peer import LibtorrentPeer
from interop.peers.opentracker_peer import OpenTracker
from interop.peers.ours import Ours
from interop.peers.program import wait_for
from interop.peers.transmission_peer import TransmissionPeer
from interop.scrape import scrape
from interop.trees import same_tree


def test_our_tracker_serves_all_of_them_at_once(
    folder: Path, tmp_path: Path, ours: Callable[..., Ours], closing: Any
) -> None:
    tracker = ours("tracker", "--http", "127.0.0.1:0")
    url = tracker.wait_event("ready")["http"]
    share = ours("share", str(folder), "--host", "127.0.0.1", "--announce", url)
    ready = share.wait_event("ready")
    assert ready["tracker"] == url
    torrent = tmp_path / ready["torrent"]
    places = [tmp_path / name for name in ("lt", "tr", "aria")]
    for place in places:
        place.mkdir()
    # Transmission dials no loopback address; our getter, which wants peers, dials it.
    transmission = closing(TransmissionPeer(torrent, places[1], tmp_path))
    wait_for(lambda: scrape(url, ready["info_hash"])[1], "Transmission has announced")
    getter = ours("get", str(torrent), "-o", "got", "--seed-time", "100")
    peers = [
        closing(LibtorrentPeer(torrent, places[0])),
        transmission,
        closing(Aria2Peer(torrent, places[2], tmp_path)),
    ]
    for peer in peers:
        peer.wait_complete()
    wait_for(lambda: same_tree(folder, tmp_path / "got" / folder.name), "ours has everything")
    for place in places:
        wait_for(
            lambda place=place: same_tree(
                folder, place / folder.name, without_empty=place.name == "tr"
            ),
            f"{place} has it",
        )
    getter.end()
    share.end()
    tracker.end()


@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_we_announce_to_opentracker(
    big_file: Path, tmp_path: Path, ours: Callable[..., Ours], closing: Any, scheme: str
) -> None:
    torrent = tmp_path / "made.torrent"
    info_hash = ours("make", str(big_file), "-o", str(torrent)).wait_result()["info_hash"]
    tracker = closing(OpenTracker(tmp_path, [info_hash]))
    url = tracker.udp_url if scheme == "udp" else tracker.url
    ours("edit", str(torrent), "--announce", url).wait_result()
    share = ours("share", str(torrent), "--data", str(big_file), "--host", "127.0.0.1",
                 "--announce", url)  # fmt: skip
    share.wait_event("ready")
    wait_for(lambda: scrape(tracker.url, info_hash)[0] == 1, "opentracker has heard of the seed")
    getter = ours("get", str(torrent), "-o", "got", "--timeout", "60")
    getter.wait_event("complete")
    assert filecmp.cmp(big_file, tmp_path / "got" / big_file.name, shallow=False)
    share.end()
    wait_for(
        lambda: scrape(tracker.url, info_hash)[0] == 0, "opentracker has heard that the seed left"
    )
