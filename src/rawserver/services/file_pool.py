"""Open files, a bounded number of them, shared by the loop and its workers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from rawserver.engine import Disk, File

# BitTorrent 4.0.3 kept 50 open of the 1024 descriptors that a process commonly has.
MAX_OPEN_FILES = 64

Mode = Literal["r", "w"]


class FilePool:
    """The files used last stay open.

    A file that leaves the pool is not closed here but when its last user lets go of it: a worker
    or a connection may be in the midst of it. Each step on the table is a single call, so the
    threads that share it need no lock.
    """

    def __init__(self, disk: Disk, max_open_files: int = MAX_OPEN_FILES) -> None:
        self._disk = disk
        self._max_open_files = max_open_files
        self._files: OrderedDict[tuple[str, Mode], File] = OrderedDict()

    def __len__(self) -> int:
        return len(self._files)

    def get(self, path: str, mode: Mode) -> File:
        """Return the file, opened as `Disk.open` does; raises OSError."""
        key = (path, mode)
        file = self._files.get(key)
        if file is None:
            file = self._files.setdefault(key, self._disk.open(path, mode))
            while len(self._files) > self._max_open_files:
                try:
                    self._files.popitem(last=False)
                except KeyError:
                    break  # another thread has just let go of all
        else:
            try:
                self._files.move_to_end(key)
            except KeyError:
                pass  # another thread has just let it go; we hold it
        return file

    def clear(self) -> None:
        """Let go of all files."""
        self._files.clear()
