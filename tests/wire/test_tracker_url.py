"""Which strings may be asked at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.tracker_url import url_problem


@pytest.mark.parametrize(
    "url",
    [
        "http://tracker.example/announce",
        "https://tracker.example:443/a?b=c#d",
        "udp://[::1]:6969",
        "HTTP://a",
        "wss://tracker.example",
        "http://bücher.example/é",
    ],
)
def test_absolute_urls_have_no_problem(url: str) -> None:
    assert url_problem(url) == ""


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "not text"),
        ("tracker.example/announce", "not a URL"),
        ("/announce", "not a URL"),
        ("javascript:alert(1)", "not a URL"),
        ("http:///announce", "host or port"),
        ("http://a:0/", "host or port"),
        ("http://a:65536/", "host or port"),
        ("http://a:x/", "host or port"),
        ("http://[::1/", "host or port"),
        ("http://a/ b", "blank"),
        ("http://a/\r\nHost: b", "blank"),
        ("http://a/" + "b" * 2048, "longer than"),
    ],
)
def test_the_rest_has(url: str, problem: str) -> None:
    assert problem in url_problem(url)


@given(st.text().map(lambda text: "http://" + text))
def test_any_text_gives_an_answer_of_one_line(url: str) -> None:
    assert url_problem(url).isascii()
    assert "\n" not in url_problem(url)
