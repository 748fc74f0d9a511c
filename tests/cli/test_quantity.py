from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.cli.quantity import (
    format_duration,
    format_rate,
    format_size,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("16K", 16384),
        ("16k", 16384),
        ("16KiB", 16384),
        ("16 KB", 16384),
        ("1.5M", 1572864),
        (" 2G ", 2 << 30),
        ("1T", 1 << 40),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "K", "-1", "1e3", "1X", "1 M M", "0x10", "nan", "9" * 400])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|too large"):
        parse_size(text)


def test_a_rate_may_say_per_second() -> None:
    assert parse_rate("2M/s") == parse_rate("2M") == 2 << 20


@given(st.text())
def test_any_text_is_a_size_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse_size(text) >= 0


@given(st.integers(0, 1 << 60))
def test_bytes_are_read_as_they_are(size: int) -> None:
    assert abs(parse_size(str(size)) - size) <= size >> 52


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (3000 << 40, "3000.0 TiB"),
    ],
)
def test_sizes_are_written(size: int, text: str) -> None:
    assert format_size(size) == text


def test_rates_are_written() -> None:
    assert format_rate(1536.0) == "1.5 KiB/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.9, "0:07"), (754, "12:34"), (12307, "3:25:07"), (360000, "4 d 4 h")],
)
def test_durations_are_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
