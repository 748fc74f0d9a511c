"""What a request says of itself."""

import pytest

from rawserver.http.request import HttpRequest


def request_that_accepts(value: str | None) -> HttpRequest:
    headers = {} if value is None else {"accept-encoding": value}
    return HttpRequest("GET", "/", b"", "192.0.2.1", 4000, headers)


@pytest.mark.parametrize(
    "value",
    ["gzip", "deflate, gzip", "GZIP", "gzip;q=0.5", "br;q=1.0, gzip; q=0.1", "*", "identity,*;q=1"],
)
def test_gzip_is_accepted(value: str) -> None:
    assert request_that_accepts(value).accepts_gzip()


@pytest.mark.parametrize(
    "value",
    [None, "", "identity", "br", "gzip;q=0", "gzip; q=0.0", "gzip;q=0.000", "xgzip", "deflate"],
)
def test_gzip_is_not_accepted(value: str | None) -> None:
    assert not request_that_accepts(value).accepts_gzip()


def test_a_refused_gzip_is_not_accepted_by_the_star_after_it() -> None:
    assert not request_that_accepts("gzip;q=0, *").accepts_gzip()


def test_the_target_is_path_and_query_again() -> None:
    assert HttpRequest("GET", "/a", b"b=%01", "192.0.2.1", 4000).target == "/a?b=%01"
    assert HttpRequest("GET", "/a", b"", "192.0.2.1", 4000).target == "/a"


def test_without_a_connection_there_is_no_local_address() -> None:
    assert HttpRequest("GET", "/a", b"", "192.0.2.1", 4000).local_ip == ""
