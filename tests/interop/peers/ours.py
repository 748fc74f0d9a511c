"""Our own commands, as a user starts them."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from interop.peers.program import DEADLINE_SECONDS

Event = dict[str, Any]


class Ours:
    """`rawserver COMMAND ... --json`; its events as they come."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        # A file, not a pipe: nobody reads it while the command runs, and a full pipe would stop it.
        self._errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rawserver", *arguments, "--json"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.events: list[Event] = []
        self._queue: Queue[Event | None] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def wait_event(self, kind: str, seconds: float = DEADLINE_SECONDS) -> Event:
        """Return the next event of a kind; AssertionError if it does not come in time."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                event = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(
                    f"no {kind!r} within {seconds} s: {self.events[-2:]} {self._stderr()}"
                ) from None
            assert event is not None, f"ended before {kind!r}: {self.events[-1:]} {self._stderr()}"
            self.events.append(event)
            if event["event"] == kind:
                return event

    def wait_result(self, seconds: float = DEADLINE_SECONDS) -> Event:
        """Return the one object of a command that says one thing and ends well."""
        result = self._queue.get(timeout=seconds)
        code = self.process.wait(seconds)
        assert code == 0, f"exit code {code}: {result} {self._stderr()}"
        assert result is not None
        return result

    def _stderr(self) -> str:
        # Not by seeking: the command writes at the same offset.
        length = os.fstat(self._errors.fileno()).st_size
        return os.pread(self._errors.fileno(), 2000, max(0, length - 2000)).decode(errors="replace")

    def end(self) -> None:
        """Press ^C, and see that it ends well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        code = self.process.wait(DEADLINE_SECONDS)
        assert code == 0, f"exit code {code}: {self._stderr()}"

    def kill(self) -> None:
        """End it without a chance to clean up."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Make sure that it is gone, whatever the test came to."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._errors.close()
