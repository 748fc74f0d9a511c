"""Real clients meet through our tracker, by every protocol and over both families that each has."""

import filecmp
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from interop.peers.libtorrent_peer import LibtorrentPeer
from interop.peers.members import BEGINNINGS, MEMBERS, Member, Start
from interop.peers.our_tracker import Counts, OurTracker
from interop.peers.ours import Ours
from interop.peers.program import wait_for
from kit.certificates import Authority, Identity

ALL = ("transmission", "libtorrent", "aria2", "ours")
# Transmission 3.00 and aria2 announce by UDP over IPv4 only.
UDP_OVER_IPV6 = ("libtorrent", "ours")
DATA_BYTES = 3 * 1024 * 1024


class Run(NamedTuple):
    """By what is announced, who has the data, and who else there is."""

    scheme: str
    host: str
    seed: str
    clients: tuple[str, ...] = ALL
    private: bool = False


RUNS = [
    Run("http", "127.0.0.1", "libtorrent", private=True),
    Run("https", "127.0.0.1", "aria2"),
    Run("udp", "127.0.0.1", "transmission"),
    Run("http", "::1", "ours"),
    Run("https", "::1", "libtorrent", private=True),
    Run("udp", "::1", "ours", UDP_OVER_IPV6, private=True),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 3 MiB of chance."""
    path = tmp_path_factory.mktemp("seed") / "data.bin"
    path.write_bytes(random.Random(3).randbytes(DATA_BYTES))
    return path


@pytest.fixture(scope="module")
def meetings(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Run, "Future[None]"]]:
    """All runs at once: each is over when Transmission's rounds, of ten seconds, are."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    identity = authority.issue("127.0.0.1", "::1")
    with pytest.MonkeyPatch.context() as environment, ThreadPoolExecutor(len(RUNS)) as pool:
        # Whom libtorrent's OpenSSL and Transmission's curl trust.
        environment.setenv("SSL_CERT_FILE", str(authority.path))
        environment.setenv("CURL_CA_BUNDLE", str(authority.path))
        yield {
            run: pool.submit(meet, run, data, tmp_path_factory.mktemp("run"), authority, identity)
            for run in RUNS
        }


class Swarm:
    """The clients of one run, each in a folder of its own."""

    def __init__(self, folder: Path, data: Path, run: Run, tracker: OurTracker) -> None:
        self._folder = folder
        self._data = data
        self._run = run
        self.members: dict[str, Member] = {}
        self.tracker = tracker
        self.torrent = folder / "made.torrent"
        self._url = tracker.url(run.scheme, run.host)
        options = ["--announce", self._url]
        if run.private:
            options.append("--private")
        made = Ours(folder, "make", str(data), "-o", str(self.torrent), *options)
        try:
            self.info_hash = bytes.fromhex(made.wait_result()["info_hash"])
        finally:
            made.close()

    def join(self, authority: Path) -> None:
        """Start the clients, the seed first, each when the tracker knows those before it.

        So it is told of them all: Transmission dials no loopback address, and would else wait for
        the others to ask again.
        """
        names = sorted(self._run.clients, key=lambda name: name != self._run.seed)
        for number, name in enumerate(names, 1):
            folder, place = self._folder / name, self._place(name)
            folder.mkdir()
            place.mkdir(exist_ok=True)
            seed = name == self._run.seed
            self.members[name] = MEMBERS[name](
                Start(self.torrent, place, folder, seed, self._url, self._run.host, authority)
            )
            self._wait_counts(lambda counts, number=number: sum(counts[:2]) == number, name)

    def wait_complete(self) -> None:
        """Wait until everybody has everything, and has told the tracker."""
        everybody = len(self.members)
        expected = Counts(everybody, 0, everybody - 1)
        self._wait_counts(lambda counts: counts == expected, "all have completed it")
        for name in self.members:
            wait_for(lambda name=name: self._has_everything(name), f"{name} has written it")

    def leave(self) -> None:
        """Have everybody leave, and wait until the tracker knows."""
        expected = Counts(0, 0, len(self.members) - 1)
        for member in self.members.values():
            member.leave()
        self._wait_counts(lambda counts: counts == expected, "all have left")

    def _wait_counts(self, condition: Callable[[Counts], bool], what: str) -> None:
        wait_for(lambda: condition(self.tracker.counts(self.info_hash)), f"the tracker: {what}")

    def _place(self, name: str) -> Path:
        return self._data.parent if name == self._run.seed else self._folder / f"{name}-data"

    def _has_everything(self, name: str) -> bool:
        place = self._place(name) / self._data.name
        return place.exists() and filecmp.cmp(self._data, place, shallow=False)

    def close(self) -> None:
        for member in self.members.values():
            member.close()


@pytest.mark.parametrize("run", RUNS, ids=[f"{run.scheme}-{run.host}" for run in RUNS])
def test_clients_meet(run: Run, meetings: dict[Run, "Future[None]"]) -> None:
    meetings[run].result()


def meet(run: Run, data: Path, folder: Path, authority: Authority, identity: Identity) -> None:
    """Have all clients of a run join, get everything, and leave; see what the tracker knows."""
    with ExitStack() as stack:
        tracker = OurTracker(folder, "--keep-dead", identity=identity)
        stack.callback(tracker.close)
        swarm = Swarm(folder, data, run, tracker)
        stack.callback(swarm.close)
        swarm.join(authority.path)
        swarm.wait_complete()
        check_who_was_there(swarm, run)
        check_fronts(tracker.statistics()["fronts"], run)
        swarm.leave()
        # The figures are those of this second.
        wait_for(lambda: tracker.statistics()["peers"] == 0, "the tracker remembers nobody")


def check_who_was_there(swarm: Swarm, run: Run) -> None:
    """See that each client announced, over the family of the run, and can scrape."""
    told = swarm.tracker.told(swarm.info_hash, run.host)
    assert set(told.values()) == {run.host}
    assert sorted(peer_id[:3] for peer_id in told) == sorted(
        BEGINNINGS[name] for name in run.clients
    )
    libtorrent = swarm.members["libtorrent"]
    assert isinstance(libtorrent, LibtorrentPeer)
    assert libtorrent.scrape() == (len(run.clients), 0)


def check_fronts(fronts: dict[str, Any], run: Run) -> None:
    """See that all came in where they were meant to, and none of it was refused."""
    asked, other = ("udp", "http") if run.scheme == "udp" else ("http", "udp")
    # Each has begun, and the others have completed it.
    assert fronts[asked]["announces"] >= 2 * len(run.clients) - 1
    assert fronts[asked]["scrapes"] >= 1
    assert fronts[other]["announces"] == (2 if other == "http" else 0)
    assert not any(front["refused"] + front["malformed"] for front in fronts.values())
