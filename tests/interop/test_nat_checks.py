"""Our tracker connects back to real clients, and hands out those that listen."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interop.peers.aria2_peer import Aria2Peer
from interop.peers.libtorrent_peer import LibtorrentPeer
from interop.peers.our_tracker import OurTracker
from interop.peers.ours import Ours
from interop.peers.program import free_port, wait_for
from interop.peers.transmission_peer import TransmissionPeer


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_who_listens_is_handed_out(
    host: str, tmp_path: Path, ours: Callable[..., Ours], closing: Callable[[Any], Any]
) -> None:
    log = tmp_path / "access.log"
    tracker = closing(
        OurTracker(tmp_path, "--nat-check", "1", "--access-log", str(log), "--log-nat-checks")
    )
    data = tmp_path / "data.bin"
    data.write_bytes(random.Random(4).randbytes(100_000))
    torrent = tmp_path / "made.torrent"
    url = tracker.url(host=host)
    made = ours("make", str(data), "-o", str(torrent), "--announce", url).wait_result()
    info_hash = bytes.fromhex(made["info_hash"])
    places = [tmp_path / name for name in ("lt", "tr", "aria", "deaf")]
    for place in places:
        place.mkdir()
    closing(LibtorrentPeer(torrent, places[0], host=host))
    closing(TransmissionPeer(torrent, places[1], tmp_path, "0.0.0.0" if ":" in host else host))
    closing(Aria2Peer(torrent, places[2], tmp_path))
    # This one announces a port at which nobody listens.
    port = free_port()
    closing(LibtorrentPeer(torrent, places[3], host=host, announce_port=port))
    wait_for(lambda: len(tracker.told(info_hash, host)) == 3, "those that listen are handed out")
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    wait_for(lambda: f'"!natcheck-{where}" 503' in log.read_text(), "the other was not reached")
    told = sorted(peer_id[:3] for peer_id in tracker.told(info_hash, host))
    assert told == [b"-LT", b"-TR", b"A2-"]
    # It is counted all the same.
    assert tracker.counts(info_hash).incomplete == 4
