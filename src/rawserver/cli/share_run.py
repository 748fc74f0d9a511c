"""What `rawserver share` does: make or read each .torrent, serve them all, say how it goes."""

from __future__ import annotations

import os
import shlex
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rawserver.cli.command_error import CommandError, Interrupted, describe
from rawserver.cli.data_location import locate_data
from rawserver.cli.making import Making
from rawserver.cli.output import Output
from rawserver.cli.quantity import format_duration, format_rate, format_size
from rawserver.cli.session import Session
from rawserver.cli.tls_trust import tls_trust
from rawserver.cli.torrent_file import check_may_write, read_torrent, write_torrent
from rawserver.services.share import Share, SharedTorrent
from rawserver.services.torrent_status import TorrentState, TorrentStatus
from rawserver.wire.metainfo import Metainfo, parse_metainfo
from rawserver.wire.metainfo_writer import edit_metainfo

DRAW_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ShareOptions:
    """What the options of `share` say: the limit in bytes per second."""

    host: str | None = None
    port: int = 0
    tracker_port: int = 0
    announce: Sequence[str] = ()
    torrent: str | None = None
    data: str | None = None
    upload_limit: int = 0
    ca_file: str | None = None
    insecure: bool = False


class ShareRun:
    """One run of the command: the paths are made ready one after the other, then all served."""

    def __init__(self, output: Output, paths: Sequence[str], options: ShareOptions) -> None:
        self._output = output
        self._options = options
        self._paths = deque(paths)
        for path in paths:
            if not os.path.exists(path):
                raise CommandError(f"{path}: No such file or directory")
        self._tls = tls_trust(options.ca_file, options.insecure)
        self._session = Session(output, failed=self._end)
        self._share: Share | None = None
        self._making: Making | None = None
        self._served: list[SharedTorrent] = []
        self._is_ready = False
        self._is_ending = False
        self._started_at = self._session.now

    def run(self) -> None:
        """Serve until ^C; raises CommandError when that cannot be."""
        self._session.soon(self._open)
        self._session.every(DRAW_SECONDS, self._draw)
        self._session.run(self._interrupted)
        self._tell_end()

    def _open(self) -> None:
        options = self._options
        try:
            self._share = Share(
                self._session.raw_server,
                host=options.host,
                port=options.port,
                tracker_port=options.tracker_port,
                announce=options.announce,
                upload_limit=options.upload_limit,
                tls=self._tls,
                report=self._output.note,
            )
        except OSError as error:
            ports = f"port {options.port} or tracker port {options.tracker_port}"
            raise CommandError(f"{ports} cannot be had: {describe(error)}") from error
        self._next()

    def _next(self) -> None:
        if not self._paths:
            self._is_ready = True
            return
        path = self._paths.popleft()
        if path.endswith(".torrent") and os.path.isfile(path):
            self._add_existing(path)
        else:
            self._make(path)

    # A file or folder.

    def _make(self, path: str) -> None:
        assert self._share is not None
        out = self._options.torrent or default_torrent_path(path)
        check_may_write(out)
        trackers = [list(tier) for tier in self._share.tiers]

        def made(data: bytes) -> None:
            self._making = None
            self._output.live.clear()
            metainfo = parse_metainfo(data)
            if self._options.torrent is None:
                check_same_content(out, metainfo)
            write_torrent(out, data)
            self._add(out, metainfo, os.path.abspath(path), just_made=True)

        self._making = Making(self._session, path, made, trackers=trackers)

    # A .torrent.

    def _add_existing(self, path: str) -> None:
        assert self._share is not None
        metainfo = read_torrent(path)
        root = locate_data(metainfo, self._options.data or os.path.dirname(path) or ".")
        if self._options.announce or self._options.host or not metainfo.trackers:
            metainfo = parse_metainfo(edit_metainfo(metainfo.raw, trackers=self._share.tiers))
        if self._options.torrent is not None:
            path = self._options.torrent
            write_torrent(path, metainfo.raw)
        self._add(path, metainfo, root, just_made=False)

    def _add(self, torrent_path: str, metainfo: Metainfo, root: str, just_made: bool) -> None:
        assert self._share is not None

        def ready() -> None:
            # In the next turn: `shared` is there by then, however early this is called.
            self._session.soon(lambda: self._tell_ready(torrent_path, shared))
            self._session.soon(self._next)

        shared = self._share.add(
            metainfo,
            root,
            just_made=just_made,
            tiers=metainfo.trackers,
            ready=ready,
            failed=self._session.guarded(self._end),
        )
        self._served.append(shared)

    # What is told.

    def _tell_ready(self, torrent_path: str, shared: SharedTorrent) -> None:
        assert self._share is not None
        tracker = shared.metainfo.trackers[0][0]
        url = shared.torrent_url
        line = f"rawserver get {shlex.quote(url or os.path.basename(torrent_path))}"
        self._output.event(
            {
                "event": "ready",
                "torrent": torrent_path,
                "magnet": shared.magnet,
                "info_hash": shared.metainfo.info_hash.hex(),
                "tracker": tracker,
                "port": self._share.port,
                "name": shared.metainfo.name,
                "total_size": shared.metainfo.total_size,
                "torrent_url": url,
                "get": line,
            }
        )
        self._output.live.clear()
        for label, text in (
            ("torrent", torrent_path),
            ("magnet", shared.magnet),
            ("info-hash", shared.metainfo.info_hash.hex()),
            ("tracker", tracker),
        ):
            self._output.text(f"{label + ':':<10} {text}")
        where = "this" if url else f"this, beside a copy of {torrent_path}"
        for text in ("", f"On another machine type {where}:", ""):
            self._output.text(text)
        self._output.text(f"    {line}")
        self._output.text()

    def _tell_end(self) -> None:
        uploaded = sum(shared.status().bytes_uploaded for shared in self._served)
        self._output.event({"event": "stopped", "bytes_uploaded": uploaded})
        self._output.text(f"stopped: {format_size(uploaded)} sent")
        self._output.close()

    def _draw(self) -> None:
        live = self._output.live
        if not live.shown:
            return
        if self._making is not None:
            live.draw(self._making.line(live.width))
        elif self._served:
            seconds = self._session.now - self._started_at
            statuses = [shared.status() for shared in self._served]
            live.draw("leaving" if self._is_ending else status_line(statuses, seconds))

    # The end.

    def _interrupted(self) -> None:
        self._end(None if self._is_ready else Interrupted())

    def _end(self, error: BaseException | None) -> None:
        """Leave all swarms, then end the session; a second error changes nothing."""
        if self._is_ending:
            return
        self._is_ending = True
        if self._making is not None:
            self._making.cancel()
        if self._share is None:
            self._session.finish(error)
        else:
            self._share.stop(lambda: self._session.finish(error))


def default_torrent_path(path: str) -> str:
    """Return `NAME.torrent` in the current folder, or beside `path` if we are inside of that.

    A .torrent inside the folder that it describes would make that folder's next .torrent another.
    """
    absolute = os.path.abspath(path)
    name = f"{os.path.basename(absolute)}.torrent"
    here = os.getcwd()
    if os.path.isdir(absolute) and os.path.commonpath((absolute, here)) == absolute:
        return os.path.join(os.path.dirname(absolute), name)
    return name


def check_same_content(path: str, metainfo: Metainfo) -> None:
    """Refuse to replace, unasked, a .torrent of other content; raises CommandError."""
    if os.path.lexists(path) and read_torrent(path).info_hash != metainfo.info_hash:
        raise CommandError(
            f"{path}: exists and is of other content; name another with --torrent, or remove it"
        )


def status_line(statuses: Sequence[TorrentStatus], seconds: float) -> str:
    """Return the line that a person sees while all torrents are served."""
    checking = [status for status in statuses if status.state is TorrentState.CHECKING]
    if checking:
        return f"checking {format_size(sum(status.total_size for status in checking))}"
    peers = sum(status.peers for status in statuses)
    rate = sum(status.upload_rate for status in statuses)
    uploaded = sum(status.bytes_uploaded for status in statuses)
    return (
        f"sharing  {peers} peer{'' if peers == 1 else 's'}  up {format_rate(rate)}  "
        f"{format_size(uploaded)} sent  {format_duration(seconds)}  (^C ends)"
    )
