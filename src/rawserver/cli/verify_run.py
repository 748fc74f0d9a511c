"""What `rawserver verify` does: hash all, show how far it is, say what is bad."""

from __future__ import annotations

from collections.abc import Sequence

from rawserver.cli.command_error import CommandError, Interrupted, describe
from rawserver.cli.output import Output
from rawserver.cli.progress import WorkProgress
from rawserver.cli.session import Session
from rawserver.services.verifier import Verification, Verifier
from rawserver.wire.metainfo import Metainfo

DRAW_SECONDS = 0.25
# A person reads so many of them; scripts get all.
MOST_SHOWN = 20


class VerifyRun:
    """One run of the command."""

    def __init__(self, output: Output, metainfo: Metainfo, root: str) -> None:
        self._output = output
        self._metainfo = metainfo
        self._session = Session(output)
        self._progress = WorkProgress("verifying", self._session.now)
        self._bytes_done = 0
        self._result: Verification | None = None
        self._verifier = Verifier(
            self._session.raw_server,
            metainfo,
            root,
            progress=self._moved,
            done=self._session.guarded(self._finished),
        )

    def run(self) -> int:
        """Return the exit code; raises CommandError when the data cannot be read."""
        self._session.soon(self._verifier.start)
        self._session.every(DRAW_SECONDS, self._draw)
        self._session.run(self._interrupted)
        assert self._result is not None
        self._tell(self._result)
        return 0 if self._result.ok else 1

    def _moved(self, bytes_done: int, total: int) -> None:
        self._bytes_done = bytes_done

    def _finished(self, result: Verification | None, error: BaseException | None) -> None:
        if result is None:
            assert error is not None
            raise CommandError(describe(error)) from error
        self._result = result
        self._session.finish()

    def _interrupted(self) -> None:
        self._verifier.cancel()
        self._session.finish(Interrupted())

    def _draw(self) -> None:
        live = self._output.live
        if live.shown:
            total = self._metainfo.total_size
            now = self._session.now
            live.draw(self._progress.line(self._bytes_done, total, now, live.width))

    def _tell(self, result: Verification) -> None:
        bad_files = ["/".join(path) for path in result.bad_files]
        bad_pieces = list(result.bad_pieces)
        self._output.event({"ok": result.ok, "bad_pieces": bad_pieces, "bad_files": bad_files})
        pieces = self._metainfo.num_pieces
        if result.ok:
            self._output.text(f"all {pieces} pieces are right")
        else:
            self._output.text(f"{len(bad_pieces)} of {pieces} pieces are bad")
            self._output.text(f"bad pieces: {shorten(format_ranges(bad_pieces), ', ')}")
            for path in bad_files[:MOST_SHOWN]:
                self._output.text(f"bad file: {path}")
            if len(bad_files) > MOST_SHOWN:
                self._output.text(f"and {len(bad_files) - MOST_SHOWN} more files (--json has all)")
        self._output.close()


def format_ranges(numbers: Sequence[int]) -> list[str]:
    """Write ascending numbers as `3`, `7-12`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return [f"{first}-{last}" if last > first else str(first) for first, last in ranges]


def shorten(words: Sequence[str], separator: str) -> str:
    """Join as many words as a person reads."""
    shown = separator.join(words[:MOST_SHOWN])
    return shown if len(words) <= MOST_SHOWN else f"{shown}{separator}..."
