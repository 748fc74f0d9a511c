"""A worker process on a loop."""

import sys
from typing import Any

import pytest

from kit.loop import run_until
from rawserver.cli.simulation_process import (
    LAST_WORDS_SECONDS,
    SimulationProcess,
    describe_exit,
)
from rawserver.engine import RawServer

# Answers each line in two parts; "exit" ends it.
ECHO = """
import sys
for line in sys.stdin:
    if "exit" in line:
        raise SystemExit(7)
    for part in ('{"heard": ', line.strip(), "}\\n"):
        sys.stdout.write(part)
        sys.stdout.flush()
"""


class Heard:
    def __init__(self) -> None:
        self.replies: list[dict[str, Any]] = []
        self.ends: list[str] = []

    def replied(self, process: SimulationProcess, fields: dict[str, Any]) -> None:
        self.replies.append(fields)

    def ended(self, process: SimulationProcess, why: str) -> None:
        self.ends.append(why)


def start(raw_server: RawServer, heard: Heard, code: str = ECHO) -> SimulationProcess:
    command = [sys.executable, "-c", code]
    return SimulationProcess(raw_server, None, command, heard.replied, heard.ended)


def test_it_is_asked_and_answers(raw_server: RawServer) -> None:
    heard = Heard()
    process = start(raw_server, heard)
    process.ask({"seed": 1})
    assert process.request == {"seed": 1}
    run_until(raw_server, lambda: heard.replies)
    assert heard.replies == [{"request": {"seed": 1}, "heard": {"seed": 1}}]
    assert process.request is None
    process.end()


def test_its_end_is_told_with_its_code(raw_server: RawServer) -> None:
    heard = Heard()
    process = start(raw_server, heard)
    process.ask({"exit": 1})
    run_until(raw_server, lambda: heard.ends)
    assert heard.ends == ["exit code 7"]
    assert process.request == {"exit": 1}


def test_a_killed_one_is_told(raw_server: RawServer) -> None:
    heard = Heard()
    start(raw_server, heard, "while True: pass").kill()
    run_until(raw_server, lambda: heard.ends)
    assert heard.ends == ["SIGKILL"]


IGNORES_SIGTERM = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("{}", flush=True)
while True: pass
"""


def test_one_that_is_late_may_say_where_it_was_and_has_to_end(raw_server: RawServer) -> None:
    heard = Heard()
    process = start(raw_server, heard, "while True: pass")
    assert not process.is_ready
    assert not process.limit(1000.0)
    assert process.limit(0.0)
    run_until(raw_server, lambda: heard.ends)
    assert heard.ends == ["SIGTERM"]
    other = start(raw_server, heard, IGNORES_SIGTERM)
    run_until(raw_server, lambda: heard.replies)
    assert other.is_ready
    assert other.limit(0.0)
    other.asked_at -= LAST_WORDS_SECONDS
    assert other.limit(0.0)
    run_until(raw_server, lambda: len(heard.ends) == 2)
    assert heard.ends[1] == "SIGKILL"


def test_one_that_we_end_is_not(raw_server: RawServer) -> None:
    heard = Heard()
    process = start(raw_server, heard, "while True: pass")
    process.end()
    other = start(raw_server, heard)
    other.kill()
    run_until(raw_server, lambda: heard.ends)
    assert len(heard.ends) == 1


def test_what_cannot_be_started_is_an_error(raw_server: RawServer) -> None:
    with pytest.raises(FileNotFoundError):
        SimulationProcess(raw_server, None, ["/nowhere/x"], Heard().replied, Heard().ended)


def test_how_processes_end() -> None:
    assert describe_exit(0) == "exit code 0"
    assert describe_exit(-6) == "SIGABRT"
    assert describe_exit(-99) == "signal 99"
