"""Whoever holds up the loop is named while it does, with its stack, once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from kit.joined import join
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Network, RawServer, SingleSocket

THRESHOLD = 0.02
# If nobody is told, the test fails by what it then finds.
DEADLINE_SECONDS = 10.0


class Reports:
    """What `errorfunc` is told, from whatever thread."""

    def __init__(self) -> None:
        self.texts: list[tuple[int, str]] = []
        self.came = threading.Event()

    def tell(self, level: int, text: str) -> None:
        self.texts.append((level, text))
        self.came.set()


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def watched(network: Network, reports: Reports) -> Iterator[RawServer]:
    raw_server = RawServer(network=network, errorfunc=reports.tell)
    yield raw_server
    raw_server.close()


def test_a_task_that_holds_up_the_loop_is_named(watched: RawServer, reports: Reports) -> None:
    def hangs() -> None:
        assert reports.came.wait(DEADLINE_SECONDS)

    watchdog = watched.install_watchdog(THRESHOLD)
    watched.add_task(hangs)
    watched.listen_once(0.0)
    [(level, text)] = reports.texts
    assert level == logging.WARNING
    assert "hangs" in text.splitlines()[0]
    assert "assert reports.came.wait" in text
    assert watchdog.seen == 1


def test_a_handler_is_named_with_its_connection(watched: RawServer, reports: Reports) -> None:
    def hang(connection: SingleSocket) -> None:
        assert reports.came.wait(DEADLINE_SECONDS)

    callee = Recorder(data_came_in=hang)
    connection, _ = join(watched, Recorder(), callee)
    watched.install_watchdog(THRESHOLD)
    connection.write(b"x")
    run_until(watched, lambda: callee.data)
    [(_, text)] = reports.texts
    assert "Recorder of <SingleSocket 127.0.0.1" in text


def test_one_call_is_told_of_once_and_the_next_again(watched: RawServer, reports: Reports) -> None:
    def hangs() -> None:
        reports.came.clear()
        assert reports.came.wait(DEADLINE_SECONDS)
        # Four looks more find the same call.
        assert not again.wait(THRESHOLD * 2)

    again = threading.Event()
    watchdog = watched.install_watchdog(THRESHOLD)
    for count in (1, 2):
        watched.add_task(hangs)
        watched.listen_once(0.0)
        assert watchdog.seen == len(reports.texts) == count


def test_many_short_calls_and_a_loop_that_waits_are_not_told_of(
    watched: RawServer, reports: Reports
) -> None:
    # More than a busy machine holds up a short call by itself.
    watchdog = watched.install_watchdog(0.1)
    for _ in range(300):
        watched.add_task(sum, 0.0, (range(100),))
    watched.listen_once(0.0)
    watched.listen_once(0.25)
    assert not reports.texts
    assert watchdog.seen == 0


def test_it_ends_with_the_loop_or_when_it_is_stopped(network: Network, reports: Reports) -> None:
    raw_server = RawServer(network=network, errorfunc=reports.tell)
    watchdogs = [raw_server.install_watchdog(THRESHOLD) for _ in range(2)]
    raw_server.close()
    for watchdog in watchdogs:
        watchdog._thread.join(DEADLINE_SECONDS)
        assert not watchdog._thread.is_alive()
