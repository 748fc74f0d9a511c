"""Making a .torrent of a file or folder: look, hash on all cores, look again, write it down."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rawserver.engine import FileStatus, RawServer
from rawserver.services.piece_hasher import PieceHasher
from rawserver.services.storage import Storage
from rawserver.wire.metainfo import MetainfoFile
from rawserver.wire.metainfo_writer import build_info, build_metainfo
from rawserver.wire.piece_size import check_piece_size, choose_piece_size

CREATED_BY = "RawServer"


class MakerError(Exception):
    """The path cannot become a torrent; one line that says why."""


class Found(NamedTuple):
    """What a look at the path found; `statuses` are those of `files`, in their order."""

    single: bool
    files: tuple[MetainfoFile, ...]
    statuses: tuple[FileStatus | None, ...]

    @property
    def total_size(self) -> int:
        return sum(file.length for file in self.files)


class Maker:
    """Makes the .torrent of `path`, an absolute path without a slash at its end.

    `piece_length` in bytes, None to choose one; `trackers` are tiers of URLs; `dated` notes the
    time. `progress(bytes_hashed, total)` is called as it goes, `done(data, error)` once: the
    bytes of the .torrent, or None and why not. The same files and options give the same bytes if
    it is not dated.
    """

    def __init__(
        self,
        raw_server: RawServer,
        path: str,
        *,
        done: Callable[[bytes | None, BaseException | None], None],
        progress: Callable[[int, int], None] | None = None,
        piece_length: int | None = None,
        name: str | None = None,
        trackers: Sequence[Sequence[str]] = (),
        private: bool = False,
        comment: str = "",
        source: str = "",
        dated: bool = True,
    ) -> None:
        self._raw_server = raw_server
        self._path = path
        self._done = done
        self._progress = progress
        self._piece_length = piece_length
        self._name = name or posixpath.basename(path)
        self._trackers = trackers
        self._private = private
        self._comment = comment
        self._source = source
        self._dated = dated
        self._cancelled = False
        self._bytes_hashed = 0
        self._digests: list[bytes] = []
        self._hasher: PieceHasher | None = None

    def start(self) -> None:
        """Begin; everything that is told comes later, from the loop."""
        self._raw_server.start_work(self._look, (), self._looked)

    def cancel(self) -> None:
        """Stop; nothing is called any more."""
        self._cancelled = True
        if self._hasher is not None:
            self._hasher.cancel()

    # Looking.

    def _look(self) -> Found:
        disk = self._raw_server.network.disk
        status = disk.status(self._path)
        if status is None:
            raise MakerError(f"{self._path}: there is no such file or folder")
        if status.is_file:
            files = [MetainfoFile((self._name,), status.size, 0, False)]
            return Found(True, tuple(files), (status,))
        if not status.is_directory:
            raise MakerError(f"{self._path}: is neither a file nor a folder")
        files = []
        statuses = []
        offset = 0
        for parts in disk.walk(self._path):
            status = disk.status(posixpath.join(self._path, *parts))
            size = 0 if status is None else status.size
            files.append(MetainfoFile(parts, size, offset, False))
            statuses.append(status)
            offset += size
        return Found(False, tuple(files), tuple(statuses))

    def _looked(self, found: Found | None, error: BaseException | None) -> None:
        if self._cancelled:
            return
        try:
            if found is None:
                raise error or MakerError(f"{self._path}: cannot be read")
            self._hash(found)
        except (OSError, ValueError, MakerError) as fault:
            self._fail(fault)

    # Hashing.

    def _hash(self, found: Found) -> None:
        total = found.total_size
        if not total:
            raise MakerError(f"{self._path}: there is nothing in it to share")
        if self._piece_length is None:
            self._piece_length = choose_piece_size(total)
        check_piece_size(self._piece_length, total)
        num_pieces = -(-total // self._piece_length)
        # Hashing can take hours: whatever cannot be written down is refused before it.
        self._digests = [bytes(20)] * num_pieces
        self._build(found)
        storage = Storage(self._raw_server.network.disk, found, self._path)

        def hashed(index: int, digest: bytes | None) -> None:
            assert digest is not None
            assert self._hasher is not None
            self._digests[index] = digest
            self._bytes_hashed += self._hasher.size(index)
            if self._progress is not None:
                self._progress(self._bytes_hashed, total)

        def finished(error: BaseException | None) -> None:
            storage.close()
            if error is not None:
                self._fail(error)
            else:
                self._raw_server.start_work(
                    self._look, (), lambda *again: self._write(found, *again)
                )

        self._hasher = PieceHasher(
            self._raw_server,
            storage,
            self._piece_length,
            total,
            hashed,
            finished,
            skip_missing=False,
        )
        self._hasher.start(range(num_pieces))

    # Writing it down.

    def _write(self, found: Found, again: Found | None, error: BaseException | None) -> None:
        if self._cancelled:
            return
        try:
            if again is None:
                raise error or MakerError(f"{self._path}: cannot be read")
            self._check_unchanged(found, again)
            data = self._build(found)
        except (OSError, ValueError, MakerError) as fault:
            self._fail(fault)
        else:
            self._done(data, None)

    def _check_unchanged(self, before: Found, after: Found) -> None:
        if before == after:
            return
        for file, old, new in zip(before.files, before.statuses, after.statuses, strict=False):
            if old != new:
                raise MakerError(f"{'/'.join(file.path)}: changed while it was read")
        raise MakerError(f"{self._path}: files came or went while it was read")

    def _build(self, found: Found) -> bytes:
        assert self._piece_length is not None
        info = build_info(
            self._name,
            found.total_size
            if found.single
            else [(file.path, file.length) for file in found.files],
            self._piece_length,
            b"".join(self._digests),
            self._private,
            self._source,
        )
        date = int(self._raw_server.network.wall_time()) if self._dated else None
        return build_metainfo(info, self._trackers, self._comment, CREATED_BY, date)

    def _fail(self, error: BaseException) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._done(None, error)
