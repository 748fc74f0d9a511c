"""How far a piece of work has come, as a line for a terminal."""

from __future__ import annotations

from rawserver.cli.quantity import format_duration, format_rate, format_size

LONGEST_BAR = 30


def progress_line(
    label: str,
    done: int,
    total: int,
    rate: float,
    eta_seconds: float | None,
    width: int,
    more: str = "",
) -> str:
    """Return e.g. `getting  [######----]  61.0 %  1.2 of 2.0 GiB  96.1 MiB/s  0:08 left`.

    `done` and `total` are bytes, `rate` is bytes per second, `width` is the columns to fill.
    """
    fraction = min(1.0, done / total) if total else 1.0
    words = [
        f"{100 * fraction:5.1f} %",
        f"{format_size(done)} of {format_size(total)}",
        format_rate(rate),
    ]
    if eta_seconds is not None and done < total:
        words.append(f"{format_duration(eta_seconds)} left")
    if more:
        words.append(more)
    text = "  ".join(words)
    cells = min(LONGEST_BAR, width - len(label) - len(text) - 6)
    if cells < 5:
        return f"{label}  {text}"[:width]
    full = int(cells * fraction)
    return f"{label}  [{'#' * full}{'-' * (cells - full)}]  {text}"


class WorkProgress:
    """The rate and the time left of work whose speed is steady, such as hashing."""

    def __init__(self, label: str, started_at: float) -> None:
        self._label = label
        self._started_at = started_at

    def line(self, done: int, total: int, now: float, width: int) -> str:
        """Return the line for `done` of `total` bytes at time `now`, in seconds."""
        seconds = now - self._started_at
        rate = done / seconds if seconds > 0 else 0.0
        eta = (total - done) / rate if rate else None
        return progress_line(self._label, done, total, rate, eta, width)
