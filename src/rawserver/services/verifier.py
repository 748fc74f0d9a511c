"""Comparing data with a .torrent: which pieces and which files are bad."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rawserver.engine import RawServer
from rawserver.services.piece_hasher import PieceHasher
from rawserver.services.storage import Storage
from rawserver.wire.metainfo import Metainfo, MetainfoFile


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: piece indexes and file paths (their parts), both ascending in the torrent.

    A file is bad if it overlaps a bad piece, is missing, or has another length than it should.
    """

    bad_pieces: tuple[int, ...]
    bad_files: tuple[tuple[str, ...], ...]

    @property
    def ok(self) -> bool:
        return not self.bad_pieces and not self.bad_files


class Verifier:
    """Hashes all data at `root`, the path of the file or of the folder.

    `progress(bytes_done, total)` is called as it goes, `done(verification, error)` once; the
    error is one that kept the data from being read.
    """

    def __init__(
        self,
        raw_server: RawServer,
        metainfo: Metainfo,
        root: str,
        *,
        done: Callable[[Verification | None, BaseException | None], None],
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._raw_server = raw_server
        self._metainfo = metainfo
        self._done = done
        self._progress = progress
        self._cancelled = False
        self._bytes_done = 0
        self._bad_pieces: list[int] = []
        self._storage = Storage(raw_server.network.disk, metainfo, root)
        self._hasher = PieceHasher(
            raw_server,
            self._storage,
            metainfo.piece_length,
            metainfo.total_size,
            self._hashed,
            self._finished,
            skip_missing=True,
        )

    def start(self) -> None:
        """Begin; everything that is told comes later, from the loop."""
        self._hasher.start(range(self._metainfo.num_pieces))

    def cancel(self) -> None:
        """Stop; nothing is called any more."""
        self._cancelled = True
        self._hasher.cancel()

    def _hashed(self, index: int, digest: bytes | None) -> None:
        if digest != self._metainfo.piece_hash(index):
            self._bad_pieces.append(index)
        self._bytes_done += self._metainfo.piece_size(index)
        if self._progress is not None:
            self._progress(self._bytes_done, self._metainfo.total_size)

    def _finished(self, error: BaseException | None) -> None:
        self._storage.close()
        if error is not None:
            self._done(None, error)
            return
        self._raw_server.start_work(self._look_at_lengths, (), self._looked)

    def _look_at_lengths(self) -> list[MetainfoFile]:
        """Off the loop: return the files that are missing or of another length."""
        disk = self._raw_server.network.disk
        wrong = []
        for file in self._metainfo.files:
            if not file.padding:
                status = disk.status(self._storage.path(file))
                if status is None or not status.is_file or status.size != file.length:
                    wrong.append(file)
        return wrong

    def _looked(self, wrong: list[MetainfoFile] | None, error: BaseException | None) -> None:
        if self._cancelled:
            return
        if wrong is None:
            self._done(None, error)
            return
        bad = dict.fromkeys(wrong)
        length = self._metainfo.piece_length
        for index in self._bad_pieces:
            for span in self._storage.spans(index * length, self._metainfo.piece_size(index)):
                if not span.file.padding:
                    bad[span.file] = None
        files = [file.path for file in self._metainfo.files if file in bad]
        self._done(Verification(tuple(sorted(self._bad_pieces)), tuple(files)), None)
