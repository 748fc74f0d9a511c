"""Files that list one thing a line: comments, blanks and whatever editors put around the lines."""

from __future__ import annotations

from collections.abc import Iterator

# Nothing that is listed has more than a name behind a hash, a key or an address.
MAX_LINE_LENGTH = 1000
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ListError(ValueError):
    """A file of lines cannot be used as it is: `line`, counted from 1, and the `reason`.

    One bad line makes the whole file unusable: which line was meant to be something else, and
    what it would have shut out or let in, nobody can tell.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


def list_lines(data: bytes) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line that says something.

    What follows a `#` at the beginning, or one behind a blank, is a comment. Lines end with LF or
    CRLF, the last may have no end; the text is UTF-8, with or without a byte order mark. Raises
    ListError.
    """
    start = len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0
    number = 0
    while start < len(data):
        number += 1
        end = data.find(b"\n", start)
        if end < 0:
            end = len(data)
        if end - start > MAX_LINE_LENGTH:
            raise ListError(number, f"has more than {MAX_LINE_LENGTH} bytes")
        try:
            text = data[start:end].decode()
        except UnicodeDecodeError:
            raise ListError(number, "is not text in UTF-8") from None
        start = end + 1
        if "#" in text:
            text = _without_comment(text)
        text = text.strip(" \t\r")
        if text:
            yield number, text


def _without_comment(text: str) -> str:
    place = text.find("#")
    while place > 0 and text[place - 1] not in " \t":
        place = text.find("#", place + 1)
    return text if place < 0 else text[:place]
