import pytest

from rawserver.cli.quantity import (
    format_duration,
    format_rate,
    format_size,
    parse_rate,
)


def test_a_rate_may_say_per_second() -> None:
    assert parse_rate("2M/s") == parse_rate("2M") == 2 << 20
    assert parse_rate("0") == 0


@pytest.mark.parametrize("text", ["", "fast", "-1", "1e3", "M", "2M/m"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_rate(text)


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
