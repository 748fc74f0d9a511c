"""Our own commands, as a user starts them."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from interop.peers.program import DEADLINE_SECONDS

Event = dict[str, Any]


class Ours:
    """`rawserver COMMAND ... --json`; its events as they come."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rawserver", *arguments, "--json"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
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
        while True:
            try:
                event = self._queue.get(timeout=seconds)
            except Empty:
                raise AssertionError(
                    f"no {kind!r} within {seconds} s: {self.events[-2:]}"
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
        assert self.process.stderr is not None
        return self.process.stderr.read()

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
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
