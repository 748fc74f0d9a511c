"""What RawServer's services ask of a disk. Every method blocks: call it in `start_work`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

Buffer = bytes | bytearray | memoryview


class FileStatus(NamedTuple):
    """`size` in bytes, `modified_ns` in nanoseconds of the wall clock."""

    size: int
    modified_ns: int
    is_directory: bool
    is_file: bool


class File(Protocol):
    """An open file, read and written at offsets; usable from several threads at once."""

    def read_into(self, buffer: bytearray | memoryview, offset: int) -> int:
        """Fill the buffer from `offset`; returns the bytes read, fewer only at the file's end."""

    def read_cached(self, buffer: bytearray | memoryview, offset: int) -> bool:
        """Fill the buffer if that takes no wait for the medium; False, and anything in it, else.

        Where the system cannot tell, it waits.
        """

    def write(self, data: Buffer, offset: int) -> None:
        """Write all of `data` at `offset`."""

    def size(self) -> int:
        """Return the length in bytes."""

    def extend(self, size: int) -> None:
        """Make the file at least `size` bytes long, sparse; never shorter."""

    def is_hole(self, offset: int, count: int) -> bool:
        """Tell whether these bytes are known to be zeros that take no room on the disk."""

    def will_need(self, offset: int, count: int) -> None:
        """Hint that these bytes will be read soon; nothing where that is not offered."""

    def synchronize(self) -> None:
        """Wait until what was written is on the medium."""

    def fileno(self) -> int:
        """Return the descriptor; OSError if the file has none."""

    def close(self) -> None:
        """Close; twice is nothing."""


class Disk(Protocol):
    """Files by path. Every method may raise OSError."""

    def open(self, path: str, mode: Literal["r", "w", "a"]) -> File:
        """Open to read, or to read and write: then created if absent, never truncated.

        With "a" what is written goes to the file's end, whatever its offset, and stands behind
        what others who append have written meanwhile.
        """

    def make_directories(self, path: str) -> None:
        """Make a folder and those above it; nothing if it is there."""

    def status(self, path: str) -> FileStatus | None:
        """Say what is at a path; None if nothing is."""

    def is_link(self, path: str) -> bool:
        """Tell whether a path is itself a symbolic link."""

    def names(self, path: str) -> list[str]:
        """Return the names of what is in a folder, sorted by their UTF-8 bytes."""

    def walk(self, path: str) -> Iterator[tuple[str, ...]]:
        """Yield the parts of each file below a folder, sorted by their UTF-8 bytes.

        OSError for what is neither a file nor a folder: it would be left out unseen.
        """

    def read_file(self, path: str, limit: int) -> bytes:
        """Return a whole file; OSError (EFBIG) if it is longer than `limit` bytes."""

    def replace_file(self, path: str, data: bytes) -> None:
        """Put `data` in the place of a file: after a crash the old or the new is there, whole."""

    def remove(self, path: str) -> None:
        """Remove a file."""
