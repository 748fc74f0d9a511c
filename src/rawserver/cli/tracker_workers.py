"""`rawserver tracker --workers N`: so many processes on one set of ports, and a store for all."""

from __future__ import annotations

import os
import signal
from mmap import mmap
from typing import TextIO

from rawserver.cli.command_error import CommandError
from rawserver.cli.output import Output
from rawserver.cli.tracker_options import TrackerOptions
from rawserver.cli.tracker_run import TrackerRun
from rawserver.processes import prefork

# Each knows the connection ids that the others gave (BEP 15).
UDP_SECRET_BYTES = 32
# What a pipe takes whole, whoever else writes to it (POSIX: 512).
MAX_FAILURE_BYTES = 500


def run_workers(output: Output, options: TrackerOptions) -> None:
    """Track in several processes until ^C; raises CommandError for what they cannot have."""
    beginning = _Beginning()
    secret = os.urandom(UDP_SECRET_BYTES)

    def serve(index: int) -> None:
        own = WorkerOutput(index, output.json_lines)
        try:
            TrackerRun(
                own, options, secret=secret, is_first=index == 0, began=beginning.is_over
            ).run()
        except CommandError as error:
            if not beginning.failed(str(error)):
                # Since the others began, something has changed: it is tried again.
                own.error(str(error))
                raise SystemExit(error.exit_code) from error

    status = prefork(options.workers, serve, report=lambda level, text: output.note(text))
    failure = beginning.failure()
    if failure:
        raise CommandError(failure)
    if status:
        raise CommandError("a worker did not end in good order")


class WorkerOutput(Output):
    """What one of several processes has to say, with its number before it."""

    def __init__(self, index: int, json_lines: bool, stderr: TextIO | None = None) -> None:
        super().__init__(json_lines, stderr=stderr)
        self._name = f"worker {index}"

    def note(self, text: str) -> None:
        """Write what happened on the way to stderr."""
        super().note("\n".join(f"{self._name}: {line}" for line in text.splitlines()))


class _Beginning:
    """What the processes know of the time before the first of them serves."""

    def __init__(self) -> None:
        self._parent = os.getpid()
        self._over = mmap(-1, 1)
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)

    def is_over(self) -> None:
        """Note that a process serves."""
        self._over[0] = 1

    def failed(self, reason: str) -> bool:
        """End all processes, because what one cannot have none can; False if some serve already."""
        if self._over[0]:
            return False
        os.write(self._writing, reason.encode()[:MAX_FAILURE_BYTES] + b"\n")
        if os.getppid() == self._parent:
            os.kill(self._parent, signal.SIGTERM)
        return True

    def failure(self) -> str:
        """Return why they could not begin, "" if they could."""
        try:
            told = os.read(self._reading, MAX_FAILURE_BYTES)
        except BlockingIOError:
            told = b""
        finally:
            os.close(self._reading)
            os.close(self._writing)
        return told.partition(b"\n")[0].decode(errors="replace")
