"""The operating system's disk."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import Literal

from rawserver.engine.disk import Buffer, File, FileStatus

# Linux says what is not in memory instead of fetching it (since 4.14).
_NO_WAIT = getattr(os, "RWF_NOWAIT", 0)


class OsFile:
    """A file behind a descriptor; `pread` and `pwrite` let threads share it."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def read_into(self, buffer: bytearray | memoryview, offset: int) -> int:
        view = memoryview(buffer)
        done = 0
        while done < len(view):
            count = os.preadv(self.fileno(), [view[done:]], offset + done)
            if count == 0:
                break
            done += count
        return done

    def read_cached(self, buffer: bytearray | memoryview, offset: int) -> bool:
        try:
            return os.preadv(self.fileno(), [buffer], offset, _NO_WAIT) == len(buffer)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
        return self.read_into(buffer, offset) == len(buffer)

    def write(self, data: Buffer, offset: int) -> None:
        view = memoryview(data)
        while view:
            count = os.pwrite(self.fileno(), view, offset)
            view = view[count:]
            offset += count

    def size(self) -> int:
        return os.fstat(self.fileno()).st_size

    def extend(self, size: int) -> None:
        if self.size() < size:
            os.ftruncate(self.fileno(), size)

    def is_hole(self, offset: int, count: int) -> bool:
        if not hasattr(os, "SEEK_DATA"):
            return False
        try:
            return os.lseek(self.fileno(), offset, os.SEEK_DATA) >= offset + count
        except OSError as error:
            # ENXIO: nothing but a hole up to the end of the file. EINVAL: it cannot tell.
            return error.errno == errno.ENXIO and offset + count <= self.size()

    def will_need(self, offset: int, count: int) -> None:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fileno(), offset, count, os.POSIX_FADV_WILLNEED)

    def synchronize(self) -> None:
        os.fsync(self.fileno())

    def fileno(self) -> int:
        if self._descriptor < 0:
            raise OSError(errno.EBADF, "the file is closed", self.path)
        return self._descriptor

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def __del__(self) -> None:
        # Whoever drops the last reference to a file that others may be using need not know it.
        self.close()


class OsAppendedFile(OsFile):
    """A file that grows at its end alone, whoever writes to it."""

    def write(self, data: Buffer, offset: int) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.fileno(), view) :]


class OsDisk:
    """Files of this machine."""

    def open(self, path: str, mode: Literal["r", "w", "a"]) -> File:
        # A link in the place of a file to be written could lead anywhere.
        flags = os.O_RDONLY if mode == "r" else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        if mode == "a":
            flags |= os.O_APPEND
        # A FIFO without a writer would keep its opener waiting for ever.
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
        mode_bits = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode_bits):
            os.close(descriptor)
            if stat.S_ISDIR(mode_bits):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            raise OSError(errno.EINVAL, "is no regular file", path)
        return OsAppendedFile(path, descriptor) if mode == "a" else OsFile(path, descriptor)

    def make_directories(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def status(self, path: str) -> FileStatus | None:
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        mode = found.st_mode
        return FileStatus(found.st_size, found.st_mtime_ns, stat.S_ISDIR(mode), stat.S_ISREG(mode))

    def is_link(self, path: str) -> bool:
        return os.path.islink(path)

    def names(self, path: str) -> list[str]:
        return sorted(os.listdir(path), key=os.fsencode)

    def walk(self, path: str) -> Iterator[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []

        def fail(error: OSError) -> None:
            raise error

        for folder, folders, names in os.walk(path, onerror=fail):
            relative = os.path.relpath(folder, path)
            above = () if relative == os.curdir else tuple(relative.split(os.sep))
            for name in names:
                place = os.path.join(folder, name)
                if not stat.S_ISREG(os.stat(place).st_mode):
                    raise OSError(errno.EINVAL, "is neither a file nor a folder", place)
                found.append((*above, name))
            for name in folders:
                place = os.path.join(folder, name)
                if os.path.islink(place):
                    raise OSError(
                        errno.EINVAL, "is a link to a folder, which is not followed", place
                    )
        yield from sorted(found, key=lambda parts: [os.fsencode(part) for part in parts])

    def read_file(self, path: str, limit: int) -> bytes:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise OSError(errno.EFBIG, f"longer than {limit} bytes", path)
        return data

    def replace_file(self, path: str, data: bytes) -> None:
        # A name of its own each time: two writers must not share one half-written file. Without
        # the file's own name in it, which may be as long as a name can be.
        temporary = os.path.join(os.path.dirname(path), f".rawserver-{os.urandom(6).hex()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.remove(temporary)
            raise

    def remove(self, path: str) -> None:
        os.remove(path)
