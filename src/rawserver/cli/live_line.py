"""The one line at the bottom of a terminal that is drawn over itself."""

from __future__ import annotations

import shutil
from typing import TextIO

ERASE_TO_END = "\x1b[K"


class LiveLine:
    """Draws on `stream` if that is a terminal; on anything else it stays silent."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._text = ""
        self.shown = stream.isatty()

    @property
    def width(self) -> int:
        """Columns that a line may use without wrapping."""
        return max(20, shutil.get_terminal_size().columns - 1)

    def draw(self, text: str) -> None:
        """Replace the line by `text`, cut to the terminal's width."""
        if self.shown:
            self._text = text[: self.width]
            self._stream.write(f"\r{self._text}{ERASE_TO_END}")
            self._stream.flush()

    def write_above(self, line: str) -> None:
        """Write a line that stays, above the live one."""
        if self._text:
            self._stream.write(f"\r{ERASE_TO_END}{line}\n{self._text}")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def finish(self) -> None:
        """Leave the line as it stands and go to the next."""
        if self._text:
            self._text = ""
            self._stream.write("\n")
            self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._text:
            self._text = ""
            self._stream.write(f"\r{ERASE_TO_END}")
            self._stream.flush()
