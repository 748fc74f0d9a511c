"""What the page may load is what it holds; that it works: the page in a browser."""

import base64
import hashlib
import re

from rawserver.services.tracker.page_assets import PAGE_HEADERS, SCRIPT, STYLE


def test_only_these_two_are_allowed_by_their_sums() -> None:
    policy = PAGE_HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    sums = re.findall(r"'sha256-([^']+)'", policy)
    expected = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (STYLE, SCRIPT)
    ]
    assert sums == expected
    assert "unsafe" not in policy


def test_they_fit_into_a_page() -> None:
    for text in (STYLE, SCRIPT):
        assert "</" not in text
        assert text.isascii()
    assert STYLE.count("{") == STYLE.count("}")


def test_it_is_dark_where_people_like_it_and_narrow_on_a_phone() -> None:
    assert "prefers-color-scheme: dark" in STYLE
    assert "max-width: 56rem" in STYLE
    assert "overflow-wrap: anywhere" in STYLE
