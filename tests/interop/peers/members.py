"""Clients of one swarm, each started in the same way: with a .torrent that names one tracker."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from interop.peers.aria2_peer import Aria2Peer
from interop.peers.libtorrent_peer import LibtorrentPeer
from interop.peers.ours import Ours
from interop.peers.program import free_port
from interop.peers.transmission_peer import TransmissionPeer


class Member(Protocol):
    """A client in a swarm. It goes on serving when it has everything."""

    def leave(self) -> None:
        """Begin to leave, and tell the tracker."""

    def close(self) -> None:
        """Make sure that it is gone."""


class Start(NamedTuple):
    """What a client is started with; `place` holds the data of a seed, or is to hold it.

    `url` is the tracker's, `host` the address of this machine that all use, and `authority` issued
    the tracker's certificate.
    """

    torrent: Path
    place: Path
    folder: Path
    seed: bool
    url: str
    host: str
    authority: Path


class OurMember:
    """`rawserver share` or `rawserver get`."""

    def __init__(self, start: Start) -> None:
        trust = ("--ca-file", str(start.authority))
        torrent, place = str(start.torrent), str(start.place)
        if start.seed:
            where = ("--host", start.host, "--announce", start.url)
            self._command = Ours(start.folder, "share", torrent, "--data", place, *where, *trust)
        else:
            stay = ("--seed-time", "100")
            self._command = Ours(start.folder, "get", torrent, "-o", place, *stay, *trust)

    def leave(self) -> None:
        self._command.end()

    def close(self) -> None:
        self._command.close()


def libtorrent_member(start: Start) -> LibtorrentPeer:
    return LibtorrentPeer(start.torrent, start.place, start.seed, start.host)


def transmission_member(start: Start) -> TransmissionPeer:
    bind = start.host if ":" not in start.host else "0.0.0.0"
    return TransmissionPeer(start.torrent, start.place, start.folder, bind)


def aria2_member(start: Start) -> Aria2Peer:
    # It asks trackers by UDP from the port of its DHT, whose table is that of nobody here.
    dht = (
        "--enable-dht=true",
        f"--dht-listen-port={free_port()}",
        f"--dht-file-path={start.folder / 'dht.dat'}",
    )
    options = (*dht, f"--ca-certificate={start.authority}", "--seed-time=10")
    return Aria2Peer(start.torrent, start.place, start.folder, *options, seed=start.seed)


MEMBERS: dict[str, Callable[[Start], Member]] = {
    "libtorrent": libtorrent_member,
    "transmission": transmission_member,
    "aria2": aria2_member,
    "ours": OurMember,
}
# How their peer ids begin.
BEGINNINGS = {"libtorrent": b"-LT", "transmission": b"-TR", "aria2": b"A2-", "ours": b"-RW"}
