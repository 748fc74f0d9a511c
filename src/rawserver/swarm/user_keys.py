"""Whose passkey is whose."""

from __future__ import annotations

import re

from rawserver.wire.list_lines import ListError, list_lines

# 16 hex digits are 64 bits: who may ask a thousand times a second guesses one of a million keys
# in some five centuries.
MIN_KEY_LENGTH = 16
MAX_KEY_LENGTH = 128
# A user's name is shown in a column.
MAX_NAME_LENGTH = 64
# What needs no escapes in a URL's path (RFC 3986, section 2.3), so that it has one spelling.
_KEY = re.compile(r"[A-Za-z0-9._~-]+")
_BLANKS = re.compile(r"[ \t]+")


def parse_user_keys(data: bytes) -> dict[str, str]:
    """Read a list of `KEY NAME` a line; returns the name of each key.

    A name may hold blanks, and have several keys: so one can be changed without a gap. Raises
    ListError, which never quotes a line: it may be shown to others than the keys may.
    """
    names: dict[str, str] = {}
    for number, text in list_lines(data):
        key, *rest = _BLANKS.split(text, maxsplit=1)
        if not rest:
            raise ListError(number, "a key must be followed by the name of its user")
        if not _KEY.fullmatch(key):
            raise ListError(number, "a key has only letters, digits and the signs - . _ ~")
        if not MIN_KEY_LENGTH <= len(key) <= MAX_KEY_LENGTH:
            raise ListError(
                number,
                f"a key has {MIN_KEY_LENGTH} to {MAX_KEY_LENGTH} characters, not {len(key)}",
            )
        if key in names:
            raise ListError(number, "the key stands in a line above already")
        names[key] = _name(number, rest[0])
    return names


def _name(number: int, text: str) -> str:
    if not text.isprintable() or len(text) > MAX_NAME_LENGTH:
        raise ListError(
            number, f"a name has up to {MAX_NAME_LENGTH} characters, all of them printable"
        )
    return text
