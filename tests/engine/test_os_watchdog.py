import threading
import time
from collections.abc import Iterator

import pytest

from rawserver import RawServer

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


def test_many_quick_calls_and_waiting_are_nothing_to_tell(told: Told) -> None:
    raw_server = RawServer(errorfunc=told)
    raw_server.install_watchdog(0.1)
    end = time.monotonic() + 0.25

    def quick() -> None:
        if time.monotonic() < end:
            raw_server.add_task(quick)

    quick()
    while time.monotonic() < end:
        raw_server.listen_once(0.01)
    raw_server.listen_once(0.15)
    raw_server.close()
    assert told.texts == []


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
