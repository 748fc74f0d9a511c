"""A file of lines that counts as it is now: read again when it changes, and when one is told to."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from rawserver.engine import RawServer
from rawserver.services.tracker.file_watch import (
    POLL_SECONDS,
    SETTLING_SECONDS,
    FileWatch,
    TrackerFileError,
)
from rawserver.wire.list_lines import ListError

Contents = TypeVar("Contents")

# Three million info-hashes in hex. It is read as a whole.
LARGEST_LIST = 128 * 1024 * 1024


class WatchedFile(Generic[Contents]):
    """What a file says is in `contents`; a subclass has `parse`, which raises ListError.

    `load` it before anybody asks; then `start`. When the file becomes unusable or is gone, that is
    reported, and what it said before still counts: a slip in a list never opens a tracker, nor
    shuts it. A file that is written in place is read when nobody has written to it for a few
    seconds; one that is put in its place by renaming is always whole.
    """

    contents: Contents
    parse: Callable[[bytes], Contents]

    def __init__(
        self,
        raw_server: RawServer,
        path: str,
        report: Callable[[str], None],
        *,
        seconds: float = POLL_SECONDS,
        context: Hashable = None,
    ) -> None:
        """`report` is given one line for a person; `seconds` lie between two looks at the file."""
        self.path = path
        self._network = raw_server.network
        # Size and time of the file when it was read; None if it must be read again anyway. Only
        # looks use it, of which there is one at a time.
        self._stamp: tuple[int, int] | None = None
        self._watch: FileWatch[Contents] = FileWatch(
            raw_server, self._look, self._found, report, seconds=seconds, context=context
        )

    def load(self) -> None:
        """Read the file at once: it blocks, and is for the time before a tracker serves.

        Raises TrackerFileError.
        """
        self._watch.load()

    def start(self) -> None:
        """Follow the file from now on."""
        self._watch.start()

    def reload(self) -> None:
        """Read the file again, off the loop, whether it seems changed or not."""
        self._watch.reload()

    def close(self) -> None:
        """Follow the file no more; what it said last still counts."""
        self._watch.close()

    def _found(self, contents: Contents) -> None:
        self.contents = contents

    def _look(self, asked: bool) -> Contents | None:
        """Off the loop: return what the file says if that may have changed."""
        before, self._stamp = self._stamp, None
        try:
            status = self._network.disk.status(self.path)
            if status is None:
                raise TrackerFileError(self.path, "there is no such file")
            stamp = (status.size, status.modified_ns)
            age = self._network.wall_time() - status.modified_ns / 1e9
            settles = 0 <= age < SETTLING_SECONDS
            if not asked and (settles or stamp == before):
                self._stamp = before
                return None
            data = self._network.disk.read_file(self.path, LARGEST_LIST)
        except OSError as error:
            raise TrackerFileError(self.path, error.strerror or str(error)) from error
        if not settles:
            self._stamp = stamp
        try:
            return self.parse(data)
        except ListError as error:
            raise TrackerFileError(self.path, error.reason, error.line) from error
