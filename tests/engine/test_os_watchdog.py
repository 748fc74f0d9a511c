import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rawserver import RawServer
from rawserver.engine.os_watchdog import LOOKS_PER_THRESHOLD, Watchdog

# Enough for a machine that does other things too; all waits end when they have what they wait for.
DEADLINE_SECONDS = 20.0


class Told:
    """An `errorfunc` that another thread calls, and a wait for it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._came = threading.Event()

    def __call__(self, level: int, text: str) -> None:
        self.texts.append(text)
        self._came.set()

    def wait(self) -> None:
        assert self._came.wait(DEADLINE_SECONDS)
        self._came.clear()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def watched(told: Told) -> Iterator[RawServer]:
    raw_server = RawServer(errorfunc=told)
    raw_server.install_watchdog(0.02)
    yield raw_server
    raw_server.close()


def test_a_call_that_lasts_is_told_of_while_it_does_and_once(
    watched: RawServer, told: Told
) -> None:
    still_running: list[int] = []

    def hold_up() -> None:
        told.wait()
        still_running.append(len(told.texts))
        # Long enough for it to be told of again, if it were.
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            pass

    watched.add_task(hold_up)
    watched.listen_once(0.0)
    assert still_running == [1]
    assert len(told.texts) == 1
    assert "hold_up has held up the loop for 0.0" in told.texts[0]
    assert "told.wait()" in told.texts[0]  # where in the code it is
    assert watched._watchdog is not None
    assert watched._watchdog.seen == 1


def test_the_next_call_is_another_one(watched: RawServer, told: Told) -> None:
    for _ in range(2):
        watched.add_task(told.wait)
    watched.listen_once(0.0)
    watched.add_task(told.wait)
    watched.listen_once(0.0)
    assert len(told.texts) == 3


class Looks:
    """Stands in for the waits between looks: at each one, the loop is in another state."""

    def __init__(self, raw_server: RawServer, states: list[tuple[int, object]]) -> None:
        self._raw_server = raw_server
        self._states = iter(states)

    def wait(self, seconds: float) -> bool:
        state = next(self._states, None)
        if state is None:
            return True
        self._raw_server.times.turns, self._raw_server.times.running = state
        return False


@pytest.mark.parametrize(
    ("states", "told_of"),
    [
        ([(1, "call")] * 20, 1),
        ([(1, "call")] * LOOKS_PER_THRESHOLD, 0),
        ([(turn, "call") for turn in range(20)], 0),  # the same task in each turn
        ([(1, f"call {index}") for index in range(20)], 0),
        ([(1, None)] * 20, 0),  # it waits
        ([(1, "call")] * 10 + [(2, "call")] * 10, 2),
        (([(1, "call")] * 4 + [(1, None)]) * 5, 0),
    ],
)
def test_only_one_call_that_lasts_is_told_of(
    raw_server: RawServer, told: Told, states: list[tuple[int, object]], told_of: int
) -> None:
    watchdog: Any = Watchdog(raw_server, 0.1)
    watchdog._stopped = Looks(raw_server, states)
    raw_server.errorfunc, before = told, raw_server.errorfunc
    raw_server.thread = threading.get_ident()
    watchdog._run()
    raw_server.thread, raw_server.times.running = None, None
    raw_server.errorfunc = before
    assert len(told.texts) == watchdog.seen == told_of


def test_it_ends_with_the_loop_and_with_the_next_one(told: Told) -> None:
    raw_server = RawServer(errorfunc=told)
    first = raw_server.install_watchdog(0.02)
    second = raw_server.install_watchdog(0.02)
    first._thread.join(DEADLINE_SECONDS)
    assert not first._thread.is_alive()
    assert second._thread.is_alive()
    raw_server.close()
    second._thread.join(DEADLINE_SECONDS)
    assert not second._thread.is_alive()


def test_a_fault_of_errorfunc_does_not_end_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = Told()

    def errorfunc(level: int, text: str) -> None:
        told(level, text)
        raise OSError("no room")

    raw_server = RawServer(errorfunc=errorfunc)
    raw_server.install_watchdog(0.02)
    for _ in range(2):
        raw_server.add_task(told.wait)
    raw_server.listen_once(0.0)
    raw_server.close()
    assert len(told.texts) == 2
