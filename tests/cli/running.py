"""A command of ours run as a process of its own."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

DEADLINE_SECONDS = 30.0


class Running:
    """`rawserver ARGUMENTS --json` in a folder; it is killed at the end of the `with`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rawserver", *arguments, "--json"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Running":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def event(self) -> dict[str, Any]:
        """Return the next object on stdout; the test's own time-out is the deadline."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"no event; on stderr: {self.process.communicate()[1]}"
        event = json.loads(line)
        assert isinstance(event, dict)
        return event

    def interrupt(self) -> None:
        """Press ^C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, list[dict[str, Any]], str]:
        """Wait for the exit; returns its code, the events that were left, and stderr."""
        stdout, stderr = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, [json.loads(line) for line in stdout.splitlines()], stderr
