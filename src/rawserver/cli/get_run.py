"""What `rawserver get` does: find the .torrent, fetch, show how far it is, leave."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rawserver.cli.command_error import CommandError, Interrupted, describe
from rawserver.cli.output import Output
from rawserver.cli.progress import progress_line
from rawserver.cli.quantity import format_duration, format_rate, format_size
from rawserver.cli.session import Session
from rawserver.cli.tls_trust import tls_trust
from rawserver.cli.torrent_source import TorrentSource
from rawserver.services.fetch import Fetch
from rawserver.services.torrent_status import TorrentState, TorrentStatus
from rawserver.wire.metainfo import Metainfo

DRAW_SECONDS = 0.25
# Scripts are told at most once a second.
EVENT_SECONDS = 1.0

LABELS = {
    TorrentState.CHECKING: "checking",
    TorrentState.DOWNLOADING: "getting",
    TorrentState.SEEDING: "seeding",
    TorrentState.STOPPED: "leaving",
}


@dataclass(frozen=True, slots=True)
class GetOptions:
    """What the options of `get` say: times in seconds, the limit in bytes per second."""

    directory: str = "."
    port: int = 0
    peers: Sequence[tuple[str, int]] = ()
    seed_time: float = 0.0
    seed_ratio: float | None = None
    timeout: float | None = None
    upload_limit: int = 0
    ca_file: str | None = None
    insecure: bool = False


class GetRun:
    """One run of the command."""

    def __init__(self, output: Output, source: str, options: GetOptions) -> None:
        self._output = output
        self._tls = tls_trust(options.ca_file, options.insecure)
        self._source = TorrentSource(source, self._tls)
        self._options = options
        self._session = Session(output)
        self._fetch: Fetch | None = None
        self._complete = False
        self._metainfo: Metainfo | None = None

    def run(self) -> None:
        """Fetch; raises CommandError when it does not come to completion."""
        session = self._session
        self._source.load(session, session.guarded(self._loaded))
        session.every(DRAW_SECONDS, self._draw)
        if self._output.json_lines:
            session.every(EVENT_SECONDS, self._tell_progress)
        session.run(self._interrupted)

    def _loaded(self, metainfo: Metainfo) -> None:
        self._metainfo = metainfo
        options = self._options
        for warning in metainfo.warnings:
            self._output.note(f"warning: {warning}")
        self._make_directory()
        try:
            self._fetch = Fetch(
                self._session.raw_server,
                metainfo,
                options.directory,
                port=options.port,
                peers=options.peers,
                seed_time=options.seed_time,
                seed_ratio=options.seed_ratio,
                timeout=options.timeout,
                upload_limit=options.upload_limit,
                tls=self._tls,
                complete=self._session.guarded(self._completed),
                finished=self._session.guarded(self._finished),
                report=self._output.note,
            )
        except OSError as error:
            raise CommandError(f"port {options.port}: {describe(error)}") from error
        self._fetch.start()

    def _make_directory(self) -> None:
        directory = self._options.directory
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise CommandError(f"{directory}: cannot be made: {error.strerror}") from error

    def _completed(self) -> None:
        self._complete = True

    def _interrupted(self) -> None:
        if self._fetch is None:
            self._session.finish(Interrupted())
        else:
            self._fetch.stop()

    def _finished(self, error: BaseException | None) -> None:
        assert self._fetch is not None
        status = self._fetch.status()
        if error is None and self._complete:
            self._draw()
            self._output.live.finish()
            self._tell_completion(status)
            self._session.finish()
            return
        kept = f"{percent(status)} is verified and stays in {self._fetch.path}"
        if error is not None:
            self._session.finish(CommandError(f"{describe(error)}; {kept}"))
        else:
            self._session.finish(Interrupted(f"interrupted; {kept}"))

    def _tell_completion(self, status: TorrentStatus) -> None:
        assert self._fetch is not None
        assert self._metainfo is not None
        self._output.event(
            {
                "event": "complete",
                "info_hash": self._metainfo.info_hash.hex(),
                "path": self._fetch.path,
                "bytes_downloaded": status.bytes_downloaded,
                "bytes_uploaded": status.bytes_uploaded,
                "seconds": round(status.seconds, 3),
            }
        )
        self._output.text(
            f"complete: {self._fetch.path} ({format_size(status.bytes_downloaded)} received, "
            f"{format_size(status.bytes_uploaded)} sent, {format_duration(status.seconds)})"
        )

    def _tell_progress(self) -> None:
        if self._fetch is not None:
            self._output.event(progress_event(self._fetch.status()))

    def _draw(self) -> None:
        live = self._output.live
        if live.shown and self._fetch is not None:
            live.draw(status_line(self._fetch.status(), live.width))


def percent(status: TorrentStatus) -> str:
    """Return how much of the content is verified."""
    return f"{100 * status.bytes_verified / max(1, status.total_size):.1f} %"


def progress_event(status: TorrentStatus) -> dict[str, Any]:
    """Return what scripts are told on the way: bytes, bytes per second, seconds."""
    fields = asdict(status)
    fields["state"] = str(status.state)
    fields["eta_seconds"] = status.eta_seconds
    for name in ("download_rate", "upload_rate", "seconds", "eta_seconds"):
        if fields[name] is not None:
            fields[name] = round(fields[name], 3)
    return {"event": "progress", **fields}


def status_line(status: TorrentStatus, width: int) -> str:
    """Return the line that a person sees."""
    peers = f"{status.peers} peer{'' if status.peers == 1 else 's'}"
    if status.upload_rate >= 1:
        peers += f"  up {format_rate(status.upload_rate)}"
    return progress_line(
        LABELS[status.state],
        status.bytes_verified,
        status.total_size,
        status.download_rate,
        status.eta_seconds,
        width,
        peers,
    )
