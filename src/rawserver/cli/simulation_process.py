"""A worker process of `rawserver simulate`, spoken to through pipes on the command's own loop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rawserver.engine import RawServer, SingleSocket

# Its stdout has ended: it is all but gone.
EXIT_SECONDS = 5.0
# So long it may take to say where it was.
LAST_WORDS_SECONDS = 1.0


class SimulationProcess:
    """One process; `replied(self, fields)` and in the end `ended(self, why)` are called.

    `asked_at` is when it was last given something to do, the first of which is to begin;
    `is_ready` says whether it has begun.
    """

    def __init__(
        self,
        raw_server: RawServer,
        context: object,
        command: list[str],
        replied: Callable[[SimulationProcess, dict[str, Any]], None],
        ended: Callable[[SimulationProcess, str], None],
    ) -> None:
        self.request: dict[str, Any] | None = None
        self.asked_at = raw_server.network.time()
        self.is_ready = False
        self._raw_server = raw_server
        self._replied = replied
        self._ended = ended
        self._begun = b""
        # A group of its own: it ends with the process that it may have started, and the
        # terminal's ^C is for the command alone.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            process_group=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = raw_server.wrap_pipe(self._process.stdin, object(), context)
        self._replies = raw_server.wrap_pipe(self._process.stdout, self, context)

    def ask(self, request: dict[str, Any]) -> None:
        """Ask for a run; one at a time."""
        self.request = request
        self.asked_at = self._raw_server.network.time()
        self._requests.write(json.dumps(request).encode() + b"\n")

    def end(self) -> None:
        """End the process now; `ended` is not called."""
        self._ended = lambda process, why: None
        self.kill()
        self._process.wait()

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the process in the middle of what it does; `ended` is called."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def limit(self, seconds: float) -> bool:
        """Kill it if it has been at it for so long, once it had time to say where it was.

        Returns whether it is too late.
        """
        over = self._raw_server.network.time() - self.asked_at - seconds
        if over >= 0:
            self.kill(signal.SIGTERM if over < LAST_WORDS_SECONDS else signal.SIGKILL)
        return over >= 0

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self.is_ready = True
            self.request, request = None, self.request
            self._replied(self, {"request": request, **json.loads(line)})

    def connection_lost(self, connection: SingleSocket) -> None:
        self._requests.close()
        if self._raw_server.doneflag.is_set():
            self.kill()  # the command ends
        try:
            code = self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        self._ended(self, describe_exit(code))


def describe_exit(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
