"""npm's tracker client, which WebTorrent uses, reads our tracker's answers exactly."""

import os
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from interop.peers.npm_client import need_npm_client, run_npm_client
from interop.peers.our_tracker import OurTracker
from kit.certificates import Authority

PORT = 6881


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tracker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurTracker]:
    need_npm_client()
    denied = tmp_path_factory.mktemp("tracker") / "denied"
    denied.write_text(f"{bytes(20).hex()}\n")
    identity = authority.issue("127.0.0.1", "::1")
    tracker = OurTracker(denied.parent, "--deny-hashes", str(denied), identity=identity)
    yield tracker
    tracker.close()


def join(tracker: OurTracker, info_hash: bytes, host: str, name: str, port: int, left: int) -> None:
    peer = f"peer_id=-XX0001-{name:x<12}&port={port}&left={left}"
    path = f"/announce?info_hash={quote(info_hash)}&{peer}&uploaded=0&downloaded=0"
    assert b"failure" not in tracker.fetch(f"{path}&event=started", host)


# It speaks UDP over IPv4 alone, whatever the tracker's host name means.
@pytest.mark.parametrize(
    ("scheme", "host"),
    [("http", "127.0.0.1"), ("http", "::1"), ("https", "127.0.0.1"), ("udp", "127.0.0.1")],
)
def test_it_joins_scrapes_completes_and_leaves(
    tracker: OurTracker, authority: Authority, scheme: str, host: str
) -> None:
    info_hash = os.urandom(20)
    join(tracker, info_hash, "127.0.0.1", "getter", 7001, left=5)
    join(tracker, info_hash, "::1", "seed", 7002, left=0)
    told = run_npm_client(tracker.url(scheme, host), info_hash, PORT, authority.path)
    assert told["warnings"] == []
    assert [(each["complete"], each["incomplete"]) for each in told["updates"]] == [
        (1, 2), (2, 1), (1, 1),
    ]  # fmt: skip
    assert told["scrapes"] == [
        {"infoHash": info_hash.hex(), "complete": 1, "incomplete": 2, "downloaded": 0}
    ]
    # A reply by UDP has the peers of its own family. The seed is told of the getter once more.
    getter, seed = "127.0.0.1:7001", "[::1]:7002"
    expected = [getter, getter] if scheme == "udp" else [getter, seed, getter]
    assert told["peers"] == expected
    assert tracker.counts(info_hash) == (1, 1, 1)


@pytest.mark.parametrize("scheme", ["http", "udp"])
def test_it_shows_why_it_was_refused(
    tracker: OurTracker, authority: Authority, scheme: str
) -> None:
    told = run_npm_client(tracker.url(scheme), bytes(20), PORT, authority.path)
    assert not told["updates"]
    (warning,) = told["warnings"]
    assert "torrent" in warning
