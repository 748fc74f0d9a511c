"""An open file of a disk in memory."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from rawserver.engine.disk import Buffer
from rawserver.simulation.block_pool import BLOCK_BYTES
from rawserver.simulation.file_content import LARGEST_FILE, FileContent
from rawserver.simulation.folder import failure, normal_path

if TYPE_CHECKING:
    from rawserver.simulation.disk import SimulatedDisk


class SimulatedFile:
    """See `File`. It has no descriptor; `will_need` is a hint that it does not take."""

    __slots__ = ("_appends", "_content", "_disk", "_life", "_place", "_writable", "path")

    def __init__(
        self,
        disk: SimulatedDisk,
        path: str,
        content: FileContent,
        *,
        writable: bool,
        appends: bool = False,
    ) -> None:
        self.path = path
        self._place = normal_path(path)
        self._disk = disk
        self._life = disk.life
        self._content: FileContent | None = content
        self._writable = writable
        self._appends = appends

    def _open(self) -> FileContent:
        if self._content is None or self._life != self._disk.life:
            raise OSError(errno.EBADF, "the file is closed", self.path)
        return self._content

    # Reading.

    def read_into(self, buffer: bytearray | memoryview, offset: int) -> int:
        view = memoryview(buffer)
        if not view:
            return 0
        content = self._open()
        self._refuse_negative(offset)
        self._check("read", offset, len(view))
        if content.cold:
            self._warm(content, offset, len(view))
        count = content.read_into(view, offset)
        self._disk.meter.num_bytes += count
        return count

    def read_cached(self, buffer: bytearray | memoryview, offset: int) -> bool:
        content = self._open()
        count = len(buffer)
        self._refuse_negative(offset)
        if content.cold and any(index in content.cold for index in _blocks(offset, count)):
            return False
        return content.read_into(memoryview(buffer), offset) == count

    def _warm(self, content: FileContent, offset: int, count: int) -> None:
        count = min(count, max(0, content.size - offset))
        missing = [index for index in _blocks(offset, count) if index in content.cold]
        if missing:
            self._disk.queue.read(len(missing) * BLOCK_BYTES)
            content.cold.difference_update(missing)

    def size(self) -> int:
        return self._open().size

    def is_hole(self, offset: int, count: int) -> bool:
        try:
            return self._open().is_hole(offset, count)
        except OSError:
            # It cannot be told, as of a descriptor that is none.
            return False

    def will_need(self, offset: int, count: int) -> None:
        self._open()

    # Writing.

    def write(self, data: Buffer, offset: int) -> None:
        count = len(data)
        if not count:
            return
        content = self._open()
        self._refuse_negative(offset)
        if not self._writable:
            raise failure(errno.EBADF, self.path)
        if self._appends:
            offset = content.size
        if offset + count > LARGEST_FILE:
            raise failure(errno.EFBIG, self.path)
        disk = self._disk
        self._check("write", offset, count)
        disk.queue.write(count)
        disk.meter.num_bytes += count
        content.modified_ns = disk.now_ns()
        content.write(data, offset, disk.pool, disk.space)

    def extend(self, size: int) -> None:
        content = self._open()
        if content.size >= size:
            return
        if not self._writable:
            raise failure(errno.EINVAL, self.path)
        if size > LARGEST_FILE:
            raise failure(errno.EFBIG, self.path)
        self._check("extend", 0, None)
        content.size = size
        content.modified_ns = self._disk.now_ns()

    def synchronize(self) -> None:
        content = self._open()
        self._check("synchronize", 0, None)
        self._disk.queue.synchronize()
        content.synchronize()
        self._disk.journal.commit()

    def fileno(self) -> int:
        self._open()
        raise OSError(errno.EBADF, "the file is in memory and has no descriptor", self.path)

    def close(self) -> None:
        self._content = None

    def _check(self, operation: str, offset: int, count: int | None) -> None:
        disk = self._disk
        if disk.faults.active:
            disk.queue.occupy(disk.faults.check(operation, self._place, offset, count))

    def _refuse_negative(self, offset: int) -> None:
        if offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), self.path)


def _blocks(offset: int, count: int) -> range:
    return range(offset // BLOCK_BYTES, -(-(offset + count) // BLOCK_BYTES))
