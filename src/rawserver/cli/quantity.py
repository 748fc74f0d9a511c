"""Rates, sizes and durations as people write and read them. Units are powers of 1024."""

from rawserver.wire.piece_size import parse_size


def parse_rate(text: str) -> int:
    """Return the bytes per second of `500K`, `2M`, `2M/s`; raises ValueError."""
    return parse_size(text.strip().removesuffix("/s"))


def format_size(size: float) -> str:
    """Write bytes with three or four digits: `0 B`, `16.0 KiB`, `4.2 GiB`."""
    if size < 1024:
        return f"{int(size)} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1023.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def format_rate(rate: float) -> str:
    """Write bytes per second."""
    return f"{format_size(rate)}/s"


def format_duration(seconds: float) -> str:
    """Write seconds as `0:07`, `12:34`, `3:25:07`, `2 d 3 h`."""
    whole = int(seconds)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
