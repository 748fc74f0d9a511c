"""A catalogue of the .torrent files in a folder (bttrack's `allowed_dir`)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator

from rawserver.engine import RawServer
from rawserver.services.tracker.catalog import Listed, TorrentDone
from rawserver.services.tracker.file_watch import FileWatch
from rawserver.services.tracker.torrent_scan import Scanned, TorrentFile, TorrentScan
from rawserver.wire.metainfo import LARGEST_METAINFO, MetainfoError
from rawserver.wire.torrent_listing import read_listing

# bttrack's parse_dir_interval.
SCAN_SECONDS = 60.0
# Of .torrent files that were asked for; a usual one has 50 KB.
KEPT_BYTES = 32 * 1024 * 1024


class TorrentFolder:
    """Lists every .torrent of a folder and of the folders in it, as they are now.

    It is scanned every `seconds`, and when one says `reload`; files that have not changed are not
    read again. `load` it before anybody asks, then `start`. What is wrong with a file is reported
    once, by its name. `controls`: whether a `failure reason` or a `warning message` in a .torrent
    is what announces are answered (bttrack's `allowed_controls`).
    """

    def __init__(
        self,
        raw_server: RawServer,
        folder: str,
        report: Callable[[str], None],
        *,
        controls: bool = False,
        seconds: float = SCAN_SECONDS,
        context: Hashable = None,
    ) -> None:
        self._raw_server = raw_server
        self._report = report
        self._context = context
        self._torrents: dict[bytes, TorrentFile] = {}
        self._kept: OrderedDict[TorrentFile, bytes] = OrderedDict()
        self._kept_bytes = 0
        scan = TorrentScan(raw_server.network, folder, controls=controls)
        self._watch = FileWatch(
            raw_server, scan.scan, self._scanned, report, seconds=seconds, context=context
        )

    def load(self) -> None:
        """Scan at once: it blocks, and is for the time before a tracker serves.

        Raises TrackerFileError if the folder cannot be read.
        """
        self._watch.load()

    def start(self) -> None:
        """Follow the folder from now on."""
        self._watch.start()

    def reload(self) -> None:
        """Scan soon, off the loop; what is wrong with files is told again."""
        self._watch.reload()

    def close(self) -> None:
        """Follow the folder no more; what is listed stays so."""
        self._watch.close()

    def _scanned(self, scanned: Scanned) -> None:
        self._torrents = scanned.torrents
        for problem in scanned.problems:
            self._report(problem)

    # A catalogue.

    def __len__(self) -> int:
        """Return the number of info-hashes; a hybrid torrent has two."""
        return len(self._torrents)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._torrents)

    def __contains__(self, info_hash: object) -> bool:
        return info_hash in self._torrents

    def find(self, info_hash: bytes) -> Listed | None:
        """Return what is known of a torrent; None if there is no file of it."""
        file = self._torrents.get(info_hash)
        return None if file is None else file.listed

    def torrent(self, info_hash: bytes, done: TorrentDone) -> None:
        """Call `done` with the .torrent, read off the loop; None if there is none any more.

        Those asked for of late are kept, in all KEPT_BYTES: then it is called at once.
        """
        file = self._torrents.get(info_hash)
        if file is None:
            done(None)
            return
        data = self._kept.get(file)
        if data is not None:
            self._kept.move_to_end(file)
            done(data)
            return

        def was_read(data: bytes | None, error: BaseException | None) -> None:
            if error is not None:
                done(None)
                raise error
            if data is None:
                self.reload()  # it is not what it was
            else:
                self._keep(file, data)
            done(data)

        self._raw_server.start_work(self._read, (file,), was_read, self._context)

    def _read(self, file: TorrentFile) -> bytes | None:
        """Off the loop: return the file if it is still that of the same torrent."""
        try:
            data = self._raw_server.network.disk.read_file(file.path, LARGEST_METAINFO)
            return data if read_listing(data).info_hashes == file.info_hashes else None
        except (OSError, MetainfoError):
            return None

    def _keep(self, file: TorrentFile, data: bytes) -> None:
        if file not in self._kept:
            self._kept[file] = data
            self._kept_bytes += len(data)
        while self._kept_bytes > KEPT_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest)
