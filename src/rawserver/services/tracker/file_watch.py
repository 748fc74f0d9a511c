"""Looking at files now and then, off the loop, and when one is told to."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from rawserver.engine import RawServer
from rawserver.engine.task import Task

Found = TypeVar("Found")

# Who has changed a file waits for it; a look at one that has not changed costs some microseconds.
POLL_SECONDS = 5.0
# A file that was changed so shortly before it is read may be changed once more without its size
# or its time showing that (file systems have times to 10 ms, or to 2 s), or be half written yet.
SETTLING_SECONDS = 3.0


class TrackerFileError(Exception):
    """A file that a tracker was told to go by is not usable: its path, line and what is wrong.

    One line for a person; `line` is None for what is true of the whole file.
    """

    def __init__(self, path: str, reason: str, line: int | None = None) -> None:
        super().__init__(f"{path}: {reason}" if line is None else f"{path}:{line}: {reason}")
        self.path = path
        self.reason = reason
        self.line = line


class FileWatch(Generic[Found]):
    """Looks every `seconds`, and on demand; one look at a time.

    `look(asked)` runs off the loop and returns what it found, None for nothing new; `asked` is
    true when somebody wants it read whether it seems changed or not. It raises TrackerFileError,
    which is reported, once until something is found or somebody asks. `found(what)` runs on it.
    """

    def __init__(
        self,
        raw_server: RawServer,
        look: Callable[[bool], Found | None],
        found: Callable[[Found], None],
        report: Callable[[str], None],
        *,
        seconds: float = POLL_SECONDS,
        context: Hashable = None,
    ) -> None:
        self._raw_server = raw_server
        self._look = look
        self._found = found
        self._report = report
        self._seconds = seconds
        self._context = context
        self._task: Task | None = None
        self._looks = False
        self._asked = False
        self._reported = ""

    def load(self) -> None:
        """Look for the first time, at once: it blocks. Raises TrackerFileError."""
        found = self._look(True)
        assert found is not None
        self._found(found)

    def start(self) -> None:
        """Look from now on."""
        if self._task is None:
            self._await_next()

    def reload(self) -> None:
        """Look soon, whether it seems changed or not."""
        self._asked = True
        if not self._looks:
            self._begin()

    def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
        self._asked = False

    def _await_next(self) -> None:
        self._task = self._raw_server.add_task(self._poll, self._seconds, (), self._context)

    def _poll(self) -> None:
        self._await_next()
        if not self._looks:
            self._begin()

    def _begin(self) -> None:
        self._looks = True
        asked, self._asked = self._asked, False
        if asked:
            self._reported = ""
        self._raw_server.start_work(self._look, (asked,), self._done, self._context)

    def _done(self, found: Any, error: BaseException | None) -> None:
        self._looks = False
        if self._asked:  # meanwhile: what was just read may be older than that
            self._begin()
        if isinstance(error, TrackerFileError):
            if str(error) != self._reported:
                self._reported = str(error)
                self._report(self._reported)
        elif error is not None:
            raise error
        elif found is not None:
            self._reported = ""
            self._found(found)
