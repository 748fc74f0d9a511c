"""Where a command's words go: results to stdout, all else to stderr.

For a person the results are lines of text. With `--json` they are one JSON object per line, and
nothing else is written to stdout.
"""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from rawserver.cli.live_line import LiveLine
from rawserver.cli.printable import printable


class Output:
    """The two streams of one command.

    A reader of stdout that goes away (`| head`) must not end a loop in the middle of a
    callback: the error is kept in `broken`, and raised by `close`.
    """

    def __init__(
        self,
        json_lines: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self.json_lines = json_lines
        self._stdout = sys.stdout if stdout is None else stdout
        self._stderr = sys.stderr if stderr is None else stderr
        self.live = LiveLine(self._stderr)
        self.broken: OSError | None = None

    @property
    def for_terminal(self) -> bool:
        """Whether a person reads the results on a terminal, so that tables are worth drawing."""
        return not self.json_lines and self._stdout.isatty()

    def event(self, fields: dict[str, Any]) -> None:
        """Write a result for scripts; nothing without `--json`."""
        if self.json_lines:
            self._write(json.dumps(fields))

    def text(self, line: str = "") -> None:
        """Write a result for people; nothing with `--json`."""
        if not self.json_lines:
            self._write(printable(line))

    def note(self, text: str) -> None:
        """Write what happened on the way to stderr, each line made safe."""
        for line in text.splitlines() or [""]:
            self.live.write_above(printable(line))

    def error(self, message: str, command: str = "rawserver") -> None:
        """Say why the command ends, in one line and, with `--json`, as its last event."""
        self.live.finish()
        message = " ".join(message.split())
        self.note(f"{command}: error: {message}")
        self.event({"event": "error", "message": message})

    def close(self) -> None:
        """Raise the error that a write to stdout met, if one did."""
        if self.broken is not None:
            raise self.broken

    def _write(self, line: str) -> None:
        if self.broken is not None:
            return
        try:
            self._stdout.write(line + "\n")
            self._stdout.flush()  # a script waits for each line
        except OSError as error:
            self.broken = error
