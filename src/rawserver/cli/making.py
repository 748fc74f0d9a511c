"""A .torrent being made of files, with its progress; `make` and `share` have this in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rawserver.cli.command_error import CommandError, describe
from rawserver.cli.progress import WorkProgress
from rawserver.cli.session import Session
from rawserver.services.maker import Maker
from rawserver.wire.safe_path import UnsafePathError, clean_path


class Making:
    """Starts in the next turn of the loop, where `made(data)` is called with the .torrent's bytes.

    An error ends the session: the path cannot be read, or is empty, or was changed meanwhile.
    """

    def __init__(
        self, session: Session, path: str, made: Callable[[bytes], None], **options: Any
    ) -> None:
        absolute = os.path.abspath(path)
        self._name = options.get("name") or os.path.basename(absolute)
        self._session = session
        self._made = made
        self._done = 0
        self._total = 0
        self._progress = WorkProgress("hashing", session.now)
        self._maker = Maker(
            session.raw_server,
            absolute,
            progress=self._moved,
            done=session.guarded(self._finished),
            **options,
        )
        session.soon(self._start)

    def line(self, width: int) -> str:
        """Return how far it is, for a terminal."""
        return self._progress.line(self._done, self._total, self._session.now, width)

    def cancel(self) -> None:
        """Stop hashing; `made` is not called any more."""
        self._maker.cancel()

    def _start(self) -> None:
        check_name(self._name)
        self._maker.start()

    def _moved(self, done: int, total: int) -> None:
        self._done, self._total = done, total

    def _finished(self, data: bytes | None, error: BaseException | None) -> None:
        if data is None:
            assert error is not None
            raise CommandError(describe(error)) from error
        self._made(data)


def check_name(name: str) -> None:
    """Refuse, before hours of hashing, a name that no .torrent may hold; raises CommandError."""
    if not name:
        raise CommandError("the root folder has no name; give one with --name")
    try:
        safe = clean_path((name,)).parts
    except UnsafePathError as error:
        raise CommandError(str(error)) from None
    if safe != (name,):
        raise CommandError(f"{name!a}: cannot be shared under this name; give another with --name")
