"""One who takes part in a simulated swarm: a host, and the client that runs on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rawserver.cli.scenarios.swarm_result import PeerResult
from rawserver.engine import RawServer
from rawserver.services.fetch import Fetch
from rawserver.services.torrent_status import TorrentState
from rawserver.simulation.host import Host
from rawserver.swarm.bitfield import Bitfield
from rawserver.wire.metainfo import Metainfo

CONTENT_PATH = "/content"
PEER_PORT = 6881
FOR_EVER = 1e9


class SwarmFetch(Fetch):
    """A fetch that tells more of itself; subclasses misbehave.

    `checked()` is called when it is known what is on the disk.
    """

    checked: Callable[[], None]

    @property
    def have(self) -> Bitfield:
        """The verified pieces; not to be changed."""
        return self._torrent.have

    def torrent_checked(self) -> None:
        self.checked()


class Participant:
    """A host with a client that fetches, gives and stays; what it did outlives its crashes.

    `completed_at` is the virtual time, None for who is not there yet. `kept` is what was right on
    its disk when it last started, once that is known.
    """

    def __init__(
        self,
        host: Host,
        metainfo: Metainfo,
        kind: str,
        fetch_type: type[SwarmFetch],
        tiers: Sequence[Sequence[str]],
        options: dict[str, Any],
    ) -> None:
        self.host = host
        self.metainfo = metainfo
        self.kind = kind
        self.fetch: SwarmFetch | None = None
        self.completed_at: float | None = None
        self.began_complete = False
        self.kept: Bitfield | None = None
        self.error: BaseException | None = None
        self.reports: list[tuple[float, str]] = []
        self._fetch_type = fetch_type
        self._tiers = tiers
        self._options = {"port": PEER_PORT, "seed_time": FOR_EVER, **options}
        self._uploaded_before = 0
        self._downloaded_before = 0

    @property
    def name(self) -> str:
        return self.host.name

    # Its life.

    def boot(self) -> None:
        """Start its client."""
        self.kept = None
        self.host.boot(self._run)

    def _run(self, raw_server: RawServer) -> None:
        self.fetch = self._fetch_type(
            raw_server,
            self.metainfo,
            "/",
            trackers=self._tiers,
            complete=self._completed,
            finished=self._finished,
            report=self._report,
            **self._options,
        )
        self.fetch.checked = self._checked
        self.fetch.start()

    def crash(self, *, silent: bool = True) -> None:
        """Lose the process; silently: with the power."""
        if self.fetch is not None:
            self._uploaded_before, self._downloaded_before = self.uploaded, self.downloaded
            self.fetch = None
        self.host.crash(silent=silent)

    def leave(self) -> None:
        """Leave the swarm as a client that is closed."""
        assert self.fetch is not None
        self.fetch.stop()

    def _checked(self) -> None:
        assert self.fetch is not None
        self.kept = self.fetch.have.copy()
        if self.completed_at is None:
            self.began_complete = self.kept.is_full

    def _completed(self) -> None:
        if self.completed_at is None:
            self.completed_at = self.host.world.now

    def _finished(self, error: BaseException | None) -> None:
        self.error = error

    def _report(self, text: str) -> None:
        self.reports.append((self.host.world.now, text))

    # What it has and did.

    @property
    def is_checked(self) -> bool:
        """Whether it runs and knows what is on its disk."""
        return self.fetch is not None and self.fetch.status().state is not TorrentState.CHECKING

    @property
    def pieces_have(self) -> int:
        """How many pieces it has verified."""
        return 0 if self.fetch is None else self.fetch.have.count

    @property
    def uploaded(self) -> int:
        """Bytes of blocks that it has sent, over all its lives."""
        now = 0 if self.fetch is None else self.fetch.status().bytes_uploaded
        return self._uploaded_before + now

    @property
    def downloaded(self) -> int:
        """Bytes of blocks that it has received, over all its lives."""
        now = 0 if self.fetch is None else self.fetch.status().bytes_downloaded
        return self._downloaded_before + now

    def read_content(self) -> bytes:
        """Return what is on its disk; that takes no virtual time."""
        disk = self.host.disk
        with disk.meter.apart():
            if disk.status(CONTENT_PATH) is None:
                return b""
            content = disk.read_file(CONTENT_PATH, self.metainfo.total_size)
        disk.queue.restart()
        return content

    def result(self, began_at: float) -> PeerResult:
        """Return what became of it, its times counted from a beginning."""
        at = self.completed_at
        return PeerResult(
            name=self.name,
            kind=self.kind,
            seconds=None if at is None else at - began_at,
            began_complete=self.began_complete,
            uploaded=self.uploaded,
            downloaded=self.downloaded,
        )
