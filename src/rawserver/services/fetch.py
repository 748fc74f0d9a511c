"""Fetching one torrent: into a folder, until it is complete, and as long as it lingers after."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from rawserver.engine import RawServer
from rawserver.services.peer import Address
from rawserver.services.peer_port import PeerPort
from rawserver.services.resume_record import resume_path
from rawserver.services.torrent import Torrent, TorrentOwner
from rawserver.services.torrent_status import TorrentStatus
from rawserver.services.tracker_client import TrackerClient
from rawserver.wire.metainfo import Metainfo

if TYPE_CHECKING:
    from rawserver.engine.tls import TlsClient

# How often it is seen whether something came in, or whether it has seeded enough.
WATCH_SECONDS = 0.25


class FetchTimeout(Exception):
    """Nothing was verified for as long as the caller would wait."""


class Fetch(TorrentOwner):
    """Fetches `metainfo` into `directory`; the content is at `path` when it is complete.

    `peers` are dialled beside those that the trackers name; `port` 0 takes any free one.
    When complete it goes on to seed for `seed_time` seconds, or until it has uploaded
    `seed_ratio` times the size, whichever comes first; by default it leaves at once. It gives
    up when nothing has come in for `timeout` seconds. `upload_limit` is in bytes per second,
    0 for none. `tls` says whom to trust at trackers of https://, None: whom the system does.
    `complete()` is called once the data is verified and written, `finished(error)`
    once at the very end, when the ports are closed and what is verified has been noted.

    Raises OSError when the port cannot be had.
    """

    def __init__(
        self,
        raw_server: RawServer,
        metainfo: Metainfo,
        directory: str,
        *,
        port: int = 0,
        bind: str = "",
        peers: Iterable[Address] = (),
        trackers: Sequence[Sequence[str]] | None = None,
        seed_time: float = 0.0,
        seed_ratio: float | None = None,
        timeout: float | None = None,
        upload_limit: int = 0,
        tls: TlsClient | None = None,
        complete: Callable[[], None] | None = None,
        finished: Callable[[BaseException | None], None],
        report: Callable[[str], None],
    ) -> None:
        self.path = posixpath.join(directory, metainfo.name)
        self._raw_server = raw_server
        self._seed_time = seed_time
        self._seed_ratio = seed_ratio
        self._timeout = timeout
        self._complete = complete
        self._finished = finished
        self._report = report
        self._error: BaseException | None = None
        self._stopping = False
        self._completed_at: float | None = None
        self._peer_port = PeerPort(raw_server, port, bind, upload_limit=upload_limit)
        self.port = self._peer_port.port
        self._torrent = Torrent(
            raw_server,
            self._peer_port,
            metainfo,
            self.path,
            self,
            tiers=metainfo.trackers if trackers is None else trackers,
            first_peers=peers,
            resume_path=resume_path(self.path),
            tracker_client=TrackerClient(raw_server, tls=tls),
        )
        self._moved_at = raw_server.network.time()
        self._moved_bytes = 0

    def start(self) -> None:
        """Begin: look at what is there, then fetch the rest."""
        self._torrent.start()
        self._raw_server.add_task(self._watch, WATCH_SECONDS, (), self._torrent)

    def stop(self, error: BaseException | None = None) -> None:
        """Leave early; `finished` is called when that is done."""
        if not self._stopping:
            self._stopping = True
            self._error = error
            self._torrent.stop(self._left)

    def dial(self, address: Address) -> None:
        """Dial one more peer."""
        self._torrent.dial(address)

    def status(self) -> TorrentStatus:
        """Return a snapshot."""
        return self._torrent.status()

    # What the torrent tells.

    def report(self, text: str) -> None:
        self._report(text)

    def torrent_completed(self) -> None:
        self._completed_at = self._raw_server.network.time()
        if self._complete is not None:
            self._complete()
        self._leave_when_seeded_enough()

    def torrent_failed(self, error: BaseException) -> None:
        self._stopping = True
        self._error = error
        self._left()

    def _watch(self) -> None:
        self._raw_server.add_task(self._watch, WATCH_SECONDS, (), self._torrent)
        if self._completed_at is not None:
            self._leave_when_seeded_enough()
        elif self._timeout is not None:
            self._give_up_when_nothing_comes(self._timeout)

    def _give_up_when_nothing_comes(self, timeout: float) -> None:
        now = self._raw_server.network.time()
        moved = self._torrent.progress
        if moved != self._moved_bytes:
            self._moved_at, self._moved_bytes = now, moved
        elif now - self._moved_at > timeout:
            self.stop(FetchTimeout(f"no progress for {timeout:g} seconds"))

    def _leave_when_seeded_enough(self) -> None:
        assert self._completed_at is not None
        now = self._raw_server.network.time()
        if self._seed_ratio is not None:
            enough = self._seed_ratio * self._torrent.metainfo.total_size
            time_is_up = bool(self._seed_time) and now - self._completed_at >= self._seed_time
            if self._torrent.bytes_uploaded >= enough or time_is_up:
                self.stop()
        elif now - self._completed_at >= self._seed_time:
            self.stop()

    def _left(self) -> None:
        self._peer_port.close()
        self._finished(self._error)
