"""A .torrent being made of files, with its progress; `make` and `share` have this in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rawserver.cli.command_error import CommandError, describe
from rawserver.cli.progress import WorkProgress
from rawserver.cli.session import Session
from rawserver.services.maker import Maker


class Making:
    """Starts at once; `made(data)` is called in the loop with the bytes of the .torrent.

    An error ends the session: the path cannot be read, or is empty, or was changed meanwhile.
    """

    def __init__(
        self, session: Session, path: str, made: Callable[[bytes], None], **options: Any
    ) -> None:
        self._session = session
        self._path = path
        self._made = made
        self._done = 0
        self._total = 0
        self._progress = WorkProgress("hashing", session.now)
        self._maker = Maker(
            session.raw_server,
            os.path.abspath(path),
            progress=self._moved,
            done=session.guarded(self._finished),
            **options,
        )
        self._maker.start()

    def line(self, width: int) -> str:
        """Return how far it is, for a terminal."""
        return self._progress.line(self._done, self._total, self._session.now, width)

    def cancel(self) -> None:
        """Stop hashing; `made` is not called any more."""
        self._maker.cancel()

    def _moved(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def _finished(self, data: bytes | None, error: BaseException | None) -> None:
        if data is None:
            assert error is not None
            raise CommandError(describe(error)) from error
        self._made(data)
