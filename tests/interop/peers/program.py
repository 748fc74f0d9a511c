"""A program under test: found or missed, started, ended by its own process id."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

DEADLINE_SECONDS = 60.0


def need(name: str) -> str:
    """Return the path of a real program; without it the test is skipped, or in CI fails."""
    path = shutil.which(name)
    if path is None:
        missing(name)
    assert path is not None
    return path


def missing(name: str) -> None:
    """Skip for want of a real peer; in CI, where all are installed, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{name} is missing, and CI must have it")
    pytest.skip(f"{name} is not installed")


def wait_for(condition: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until something is so; AssertionError when the deadline passes first."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """Return a port that was free a moment ago, for programs that cannot choose one."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Program:
    """A child process with its output in a file, to show when something fails."""

    def __init__(self, command: list[str], folder: Path, name: str) -> None:
        self.log = folder / f"{name}.log"
        self._name = name
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def check_alive(self) -> bool:
        """Raise with the program's own words if it has ended; returns True."""
        assert self.process.poll() is None, f"{self._name} ended: {self.log.read_text()[-2000:]}"
        return True

    def end(self) -> None:
        """Ask it to end, and see to it that it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
