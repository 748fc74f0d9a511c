"""Text from strangers (names, comments, messages of trackers) made safe to show on a terminal."""

import re

# C0 and C1 controls move the cursor and retitle windows; the bidirectional overrides make
# `gpj.exe` look like `exe.jpg`; line separators break "one line"; lone surrogates (bytes of a
# file name that are no UTF-8) cannot be encoded.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return `text` on one line, with what a terminal would obey or hide written as escapes."""
    return _UNSAFE.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)
