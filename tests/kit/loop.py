"""Running a RawServer until something is so."""

import time
from collections.abc import Callable

from rawserver import RawServer


def run_until(
    raw_server: RawServer, condition: Callable[[], object], deadline_seconds: float = 20.0
) -> None:
    """Turn the loop until `condition()` holds; AssertionError when the deadline passes first."""
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold in time"
        raw_server.listen_once(0.05)
