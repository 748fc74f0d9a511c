"""Whether a string from a stranger is a URL that may be asked at all."""

import re
from urllib.parse import urlsplit

# Longer ones do not fit into a request line that servers accept.
LONGEST_URL = 2048

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# A line break would end the request line and begin a header of the stranger's choice.
_CONTROL_OR_BLANK = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ufffd]")


def url_problem(url: str) -> str:
    """Say in some words why `url` is not a usable absolute URL; "" if it is one."""
    if not url:
        return "it is not text"
    if len(url) > LONGEST_URL:
        return f"it is longer than {LONGEST_URL} characters"
    if _CONTROL_OR_BLANK.search(url):
        return f"{url[:60]!a} holds a blank or control character"
    if not _SCHEME.match(url):
        return f"{url[:60]!a} is not a URL"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"{url[:60]!a} has no usable host or port"
    if not parts.hostname or port == 0:
        return f"{url[:60]!a} has no usable host or port"
    return ""
