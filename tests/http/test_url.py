"""URLs from strangers, taken apart or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.http.url import UrlError, join_url, parse_url


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "authority"),
    [
        ("http://tracker", "tracker", 80, "/", "tracker"),
        ("http://tracker/", "tracker", 80, "/", "tracker"),
        ("HTTP://Tracker:80/Ann", "tracker", 80, "/Ann", "tracker"),
        ("http://tracker:6969/announce?key=1#part", "tracker", 6969, "/announce?key=1",
         "tracker:6969"),
        ("http://tracker?a=b", "tracker", 80, "/?a=b", "tracker"),
        ("http://192.0.2.1:81/a%20b", "192.0.2.1", 81, "/a%20b", "192.0.2.1:81"),
        ("http://[2001:db8::1]/a", "2001:db8::1", 80, "/a", "[2001:db8::1]"),
        ("http://[2001:db8::1]:8080/a", "2001:db8::1", 8080, "/a", "[2001:db8::1]:8080"),
        ("http://user:secret@tracker/a", "tracker", 80, "/a", "tracker"),
        ("http://bücher.example/a", "xn--bcher-kva.example", 80, "/a", "xn--bcher-kva.example"),
    ],
)  # fmt: skip
def test_a_url_is_taken_apart(url: str, host: str, port: int, target: str, authority: str) -> None:
    parts = parse_url(url)
    assert parts == (host, port, target, "http")
    assert parts.authority == authority


def test_https_has_a_port_of_its_own() -> None:
    parts = parse_url("HTTPS://tracker/a")
    assert parts == ("tracker", 443, "/a", "https")
    assert parts.authority == "tracker"
    assert parse_url("https://tracker:80/").authority == "tracker:80"
    assert parse_url("http://tracker:443/").authority == "tracker:443"


def test_other_schemes_may_do() -> None:
    ports = {"http": 80, "udp": 7}
    assert parse_url("udp://tracker", ports) == ("tracker", 7, "/", "udp")
    assert parse_url("udp://tracker:80/", ports).authority == "tracker:80"
    with pytest.raises(UrlError, match="is no http:// or udp:// URL"):
        parse_url("https://tracker", ports)
    with pytest.raises(UrlError, match="is no udp:// URL"):
        parse_url("http://tracker", {"udp": 80})


def check(error: UrlError) -> None:
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("udp://tracker:80/announce", "no http:// or https:// URL"),
        ("ftp://tracker/", "no http:// or https:// URL"),
        ("/announce", "no http:// or https:// URL"),
        ("", "no http:// or https:// URL"),
        ("http:///announce", "no http:// or https:// URL"),
        ("http://tracker:0/", "port 0"),
        ("http://tracker:65536/", "no URL"),
        ("http://tracker:port/", "no URL"),
        ("http://[::1/", "no URL"),
        ("http://tracker/a b", "blanks or control"),
        ("http://tracker/a\x00b", "blanks or control"),
        ("http://tra cker/", "blanks or control"),
        ("http://tracker/a\nb", "blanks or control"),
        ("http://tra\tcker/", "blanks or control"),
        ("\nhttp://tracker/", "blanks or control"),
        ("http://\u2100\u2028/", "no URL"),
        ("http://[v1.€:b]/", "no name of a host"),
        ("http://[v1.\ud800:b]/", "no name of a host"),
        ("http://tracker/ä", "percent-encoded"),
        ("http://tracker/?ä", "percent-encoded"),
        ("http://a..b/", "no name of a host"),
        (f"http://{'a' * 64}.example/", "no name of a host"),
    ],
)
def test_a_url_that_cannot_be_asked_is_refused(url: str, why: str) -> None:
    with pytest.raises(UrlError, match=why) as caught:
        parse_url(url)
    check(caught.value)


@given(st.text(max_size=40) | st.text("[]:/?#@%.v1\r\n\t €\x7f\u2028", max_size=20))
def test_nothing_can_end_the_request_line(text: str) -> None:
    try:
        host, port, target, _ = parse_url("http://" + text)
    except UrlError as error:
        check(error)
        return
    assert host
    assert 0 < port < 65536
    for part in (host, target):
        assert part.isascii()
        assert part.isprintable()
        assert " " not in part


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b", "http://tracker:81/b"),
        ("b?c", "http://tracker:81/x/b?c"),
        ("//other/b", "http://other/b"),
        ("https://other/", "https://other/"),
    ],
)
def test_a_redirect_is_seen_from_where_it_stands(location: str, leads_to: str) -> None:
    assert join_url("http://tracker:81/x/a?q=1", location) == leads_to


@pytest.mark.parametrize("location", ["http://[", "//[::1", "http://[x]/"])
def test_a_redirect_that_leads_nowhere_is_refused(location: str) -> None:
    with pytest.raises(UrlError, match="is no URL"):
        join_url("http://tracker/", location)


@given(st.text("[]:/?#@%.v1\r\n\t €\x7f\u2028", max_size=20))
def test_a_redirect_leads_somewhere_or_is_refused(location: str) -> None:
    try:
        join_url("http://tracker/", location)
    except UrlError as error:
        check(error)
