"""A torrent's bytes as one space, over the files in which they lie."""

from __future__ import annotations

import posixpath
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from rawserver.engine import Disk
from rawserver.services.file_pool import FilePool
from rawserver.wire.metainfo import MetainfoFile

Buffer = bytes | bytearray | memoryview


class StorageError(Exception):
    """The data cannot be read or written; one line that names the path."""


class Layout(Protocol):
    """What a storage must know of a torrent; a `Metainfo` is one."""

    @property
    def files(self) -> Sequence[MetainfoFile]: ...
    @property
    def single(self) -> bool: ...


class Span(NamedTuple):
    """A stretch that lies in one file: `start` counts from the beginning of that file."""

    file: MetainfoFile
    start: int
    length: int


class Storage:
    """Reads and writes at offsets of the torrent.

    `root` is the path of the only file, or of the folder that holds the files. Padding files
    (BEP 47) are never on disk: they read as zeros, and what is written to them is dropped. All
    methods block but `read_cached` and `will_need`.
    """

    def __init__(self, disk: Disk, layout: Layout, root: str) -> None:
        self._disk = disk
        self._single = layout.single
        self._root = root
        self._pool = FilePool(disk)
        # Paths with data that the system may still hold back from the medium. In order, so that a
        # simulated disk is asked for the same in each run.
        self._written: dict[str, None] = {}
        self.files = layout.files
        # Empty files hold no offset; leaving them out keeps the search exact.
        self._filled = [file for file in layout.files if file.length]
        self._offsets = [file.offset for file in self._filled]

    def path(self, file: MetainfoFile) -> str:
        """Return where a file lies."""
        return self._root if self._single else posixpath.join(self._root, *file.path)

    def spans(self, offset: int, length: int) -> Iterator[Span]:
        """Yield the stretches of files that make up a stretch of the torrent."""
        index = bisect_right(self._offsets, offset) - 1
        while length > 0:
            file = self._filled[index]
            start = offset - file.offset
            count = min(length, file.length - start)
            yield Span(file, start, count)
            offset += count
            length -= count
            index += 1

    # Before the download.

    def prepare(self) -> None:
        """Make folders and files, sparse, and none shorter than it is. Raises StorageError."""
        for file in self.files:
            if not file.padding:
                path = self.path(file)
                try:
                    self._prepare(file, path)
                except OSError as error:
                    # It may be a folder above the file that stands in the way.
                    where = error.filename or path
                    raise StorageError(f"{where}: {error.strerror or error}") from error

    def _prepare(self, file: MetainfoFile, path: str) -> None:
        parent = self._root
        if self._single:
            parent = posixpath.dirname(self._root)
        else:
            for part in file.path[:-1]:
                parent = posixpath.join(parent, part)
                self._refuse_link(parent)
        if parent:
            self._disk.make_directories(parent)
        self._refuse_link(path)
        status = self._disk.status(path)
        if status is not None and not status.is_file:
            raise StorageError(f"{path}: there is something else where a file should be")
        self._pool.get(path, "w").extend(file.length)

    def _refuse_link(self, path: str) -> None:
        if self._disk.is_link(path):
            raise StorageError(f"{path}: a link in the way could lead anywhere")

    # Reading and writing.

    def read_into(self, buffer: bytearray | memoryview, offset: int) -> None:
        """Fill the buffer from `offset` on. Raises StorageError, also if a file is too short."""
        view = memoryview(buffer)
        for file, start, length in self.spans(offset, len(view)):
            part, view = view[:length], view[length:]
            if file.padding:
                part[:] = bytes(length)
                continue
            path = self.path(file)
            try:
                count = self._pool.get(path, "r").read_into(part, start)
            except OSError as error:
                raise cannot("read", path, error) from error
            if count < length:
                raise StorageError(f"{path}: is shorter than it should be")

    def write(self, data: Buffer, offset: int) -> None:
        """Write all of `data`. Raises StorageError."""
        view = memoryview(data)
        for file, start, length in self.spans(offset, len(view)):
            part, view = view[:length], view[length:]
            if file.padding:
                continue
            path = self.path(file)
            try:
                self._pool.get(path, "w").write(part, start)
            except OSError as error:
                raise cannot("written", path, error) from error
            # After the write: a `synchronize` meanwhile leaves it to the next one.
            self._written[path] = None

    def is_there(self, offset: int, length: int) -> bool:
        """Tell whether the files of a stretch exist and are long enough. Raises StorageError."""
        for file, start, count in self.spans(offset, length):
            if not file.padding:
                path = self.path(file)
                try:
                    status = self._disk.status(path)
                except OSError as error:
                    raise cannot("read", path, error) from error
                if status is None or not status.is_file or status.size < start + count:
                    return False
        return True

    def is_hole(self, offset: int, length: int) -> bool:
        """Tell whether a stretch is known to be zeros never written. Raises StorageError."""
        for file, start, count in self.spans(offset, length):
            if file.padding:
                continue
            path = self.path(file)
            try:
                if not self._pool.get(path, "r").is_hole(start, count):
                    return False
            except OSError as error:
                raise cannot("read", path, error) from error
        return True

    # For the loop: nothing here waits for the disk, but for opening a file.

    def read_cached(self, buffer: memoryview, offset: int) -> bool:
        """Fill the buffer if all of it is in memory; False else. Raises StorageError."""
        file, start, count = next(self.spans(offset, len(buffer)))
        if count < len(buffer) or file.padding:
            return False
        path = self.path(file)
        try:
            return self._pool.get(path, "r").read_cached(buffer, start)
        except OSError as error:
            raise cannot("read", path, error) from error

    def will_need(self, offset: int, length: int) -> None:
        """Have the system read ahead; it is a hint, and its failure shows at the real read."""
        for file, start, count in self.spans(offset, length):
            if not file.padding:
                try:
                    self._pool.get(self.path(file), "r").will_need(start, count)
                except OSError:
                    return

    # The end.

    def synchronize(self) -> None:
        """Wait until what was written is on the medium. Raises StorageError."""
        while self._written:
            try:
                # Single calls, so the threads that write meanwhile need no lock.
                path, _ = self._written.popitem()
            except KeyError:
                return  # another thread took the last one
            try:
                self._pool.get(path, "w").synchronize()
            except OSError as error:
                self._written[path] = None
                raise cannot("written", path, error) from error

    def close(self) -> None:
        """Let go of all files."""
        self._pool.clear()


def cannot(be: str, path: str, error: OSError) -> StorageError:
    """Return the error to raise for a file that cannot be read, or written."""
    return StorageError(f"{path}: cannot be {be}: {error.strerror or error}")
