from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rawserver.cli.parameters import (
    RATE,
    json_option,
    parse_address,
    parse_not_negative,
    parse_peer,
    parse_piece_size,
    parse_positive,
    parse_tracker_url,
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:6881", ("::1", 6881)),
        ("host.example:0", ("host.example", 0)),
    ],
)
def test_addresses_are_read(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "host", ":80", "host:", "host:x", "host:70000", "::1:80", "a b:1", "host:-1", "[]:1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT|port"):
        parse_address(text)


def test_port_zero_cannot_be_dialled() -> None:
    with pytest.raises(ValueError, match="port 0"):
        parse_peer("127.0.0.1:0")


@pytest.mark.parametrize(
    "url", ["http://host/announce", "udp://[::1]:80", "https://t.example:443/x?key=1"]
)
def test_urls_of_trackers_stay_as_they_are(url: str) -> None:
    assert parse_tracker_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "garbage",
        "http://",
        "http:///announce",
        "http://host:99999/",
        "http://host:x/",
        "http://[::1/",
        "ftp://host/",
        "http://host/a b",
        "http://host/\x00",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_url_of_a_tracker_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        parse_tracker_url(url)


def test_piece_sizes_are_powers_of_two_or_auto() -> None:
    assert parse_piece_size("auto") is None
    assert parse_piece_size("16K") == 16384
    assert parse_piece_size("1M") == 1 << 20
    for text in ("0", "1", "8K", "17K", "256M", "-1", "x"):
        with pytest.raises(ValueError, match=r"power of two|size"):
            parse_piece_size(text)


def test_numbers_are_finite_and_not_negative() -> None:
    assert parse_not_negative("0") == 0
    assert parse_positive("1.5") == 1.5
    for text in ("-1", "nan", "inf", "x", ""):
        with pytest.raises(ValueError, match="number"):
            parse_not_negative(text)
    with pytest.raises(ValueError, match="above 0"):
        parse_positive("0")


@pytest.mark.parametrize(
    "parse", [parse_address, parse_peer, parse_piece_size, parse_positive, parse_tracker_url]
)
@given(text=st.text())
def test_any_text_is_read_or_refused(parse: Callable[[str], Any], text: str) -> None:
    with suppress(ValueError):
        parse(text)


def test_a_refusal_is_a_usage_error() -> None:
    @click.command()
    @click.option("--limit", type=RATE)
    @json_option
    def command(limit: int, json_lines: bool) -> None:
        click.echo(f"{limit} {json_lines}")

    assert CliRunner().invoke(command, ["--limit", "1K", "--json"]).output == "1024 True\n"
    refused = CliRunner().invoke(command, ["--limit", "fast"])
    assert refused.exit_code == 2
    assert "'fast' is not a size" in refused.output
