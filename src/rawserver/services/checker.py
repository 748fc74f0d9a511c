"""What of a torrent is on disk when it starts: by the record of the last time, else by hashing."""

from __future__ import annotations

import errno
from collections.abc import Callable

from rawserver.engine import RawServer
from rawserver.services.piece_hasher import PieceHasher
from rawserver.services.resume_record import (
    LARGEST_RECORD,
    FileStamp,
    ResumeError,
    ResumeRecord,
)
from rawserver.services.storage import Storage, StorageError
from rawserver.swarm.bitfield import Bitfield
from rawserver.wire.metainfo import Metainfo


class Checker:
    """Finds the verified pieces of a storage, and notes them for the next time.

    `resume_path` is the file of the record, None for none. `done(have, error)` is called once.
    """

    def __init__(
        self,
        raw_server: RawServer,
        metainfo: Metainfo,
        storage: Storage,
        resume_path: str | None,
        done: Callable[[Bitfield | None, BaseException | None], None],
        report: Callable[[str], None],
        context: object = None,
    ) -> None:
        self._raw_server = raw_server
        self._metainfo = metainfo
        self._storage = storage
        self._resume_path = resume_path
        self._done = done
        self._report = report
        self._context = context
        self._have = Bitfield(metainfo.num_pieces)
        self._hasher: PieceHasher | None = None
        self._cancelled = False
        self.bytes_checked = 0

    def start(self) -> None:
        """Begin; `done` is called later, from the loop."""
        self._raw_server.start_work(self._load, (), self._loaded, self._context)

    def cancel(self) -> None:
        """Stop; `done` is not called any more."""
        self._cancelled = True
        if self._hasher is not None:
            self._hasher.cancel()

    # The record.

    def _load(self) -> ResumeRecord | None:
        """Off the loop: return the record if every file is just as it says."""
        if self._resume_path is None:
            return None
        disk = self._raw_server.network.disk
        try:
            data = disk.read_file(self._resume_path, LARGEST_RECORD)
        except FileNotFoundError:
            return None
        record = ResumeRecord.from_bytes(data, self._metainfo.info_hash, self._metainfo.num_pieces)
        if record.stamps != self.stamps():
            return None
        self._check_possible(record)
        return record

    def _check_possible(self, record: ResumeRecord) -> None:
        """Refuse a record that says to have what files as short as these cannot hold."""
        length = self._metainfo.piece_length
        for file, stamp in zip(self._metainfo.files, record.stamps, strict=True):
            size = 0 if stamp is None else stamp[0]
            if not file.padding and size < file.length:
                first, last = file.offset + size, file.offset + file.length - 1
                if any(
                    index in record.have for index in range(first // length, last // length + 1)
                ):
                    raise ResumeError("it claims more than there is on disk")

    def stamps(self) -> tuple[FileStamp, ...]:
        """Off the loop: return length and time of each file as they are now."""
        disk = self._raw_server.network.disk
        stamps: list[FileStamp] = []
        for file in self._metainfo.files:
            status = None if file.padding else disk.status(self._storage.path(file))
            stamps.append(None if status is None else (status.size, status.modified_ns))
        return tuple(stamps)

    def _loaded(self, record: ResumeRecord | None, error: BaseException | None) -> None:
        if self._cancelled:
            return
        if error is not None:
            if not isinstance(error, ResumeError | OSError):
                self._done(None, error)
                return
            self._report(f"{self._resume_path}: is not used: {error}")
        if record is None:
            self._hash(range(self._metainfo.num_pieces))
            return
        self._have = record.have
        for index in record.unsure:
            self._have.clear(index)
        self._hash(record.unsure)

    def save(self, have: Bitfield, unsure: tuple[int, ...], stamps: tuple[FileStamp, ...]) -> None:
        """Off the loop: note what is verified, when it is on the medium. Raises OSError.

        `stamps` must have been taken before `have` and `unsure` were: then a piece that was
        written in between makes the record one that is not believed, never one that leaves it out.
        """
        if self._resume_path is not None:
            # Else a record could outlive, in a loss of power, the data that it vouches for: their
            # length and time are on the medium long before they are.
            try:
                self._storage.synchronize()
            except StorageError as error:
                raise OSError(errno.EIO, str(error)) from error
            record = ResumeRecord(self._metainfo.info_hash, have, unsure, stamps)
            try:
                self._raw_server.network.disk.replace_file(self._resume_path, record.to_bytes())
            except OSError as error:
                number = error.errno or errno.EIO
                raise OSError(number, error.strerror or str(error), self._resume_path) from error

    # Hashing.

    def _hash(self, indexes: range | tuple[int, ...]) -> None:
        self._hasher = PieceHasher(
            self._raw_server,
            self._storage,
            self._metainfo.piece_length,
            self._metainfo.total_size,
            self._hashed,
            self._finished,
            skip_missing=True,
            context=self._context,
        )
        self._hasher.start(indexes)

    def _hashed(self, index: int, digest: bytes | None) -> None:
        self.bytes_checked += self._metainfo.piece_size(index)
        if digest == self._metainfo.piece_hash(index):
            self._have.set(index)

    def _finished(self, error: BaseException | None) -> None:
        self._done(None if error is not None else self._have, error)
