"""A program that is measured: its lines as they come, its CPU time and its peak memory."""

import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

DEADLINE_SECONDS = 120.0


class Usage(NamedTuple):
    """What a program took, from its start until it ended."""

    cpu_seconds: float
    peak_bytes: int


class Child:
    """One program in a fresh process.

    Linux counts into a child's peak memory that of the process it was forked from, so whoever
    measures must stay small: no figure below `own_peak_bytes()` means anything.
    """

    def __init__(self, command: list[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )
        self._pending = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Return the CPU time that the running program has taken so far, all threads together."""
        # The kernel's name for the clock of a process: CPUCLOCK_SCHED (2) of its complement.
        return time.clock_gettime((~self.pid << 3) | 2)

    def tell(self, line: str) -> None:
        """Write a line to the program's stdin."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def wait_line(self, part: str, seconds: float = DEADLINE_SECONDS) -> str:
        """Return the next line of stdout that contains `part`; RuntimeError without one."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while True:
            line, newline, rest = self._pending.partition(b"\n")
            if newline:
                self._pending = rest
                if part.encode() in line:
                    return line.decode()
                continue
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise RuntimeError(f"no {part!r} within {seconds:.0f} s. {self._words()}")
            data = os.read(self._process.stdout.fileno(), 65536)
            if not data:
                raise RuntimeError(f"ended without {part!r}. {self._words()}")
            self._pending += data

    def wait_end(self, seconds: float = DEADLINE_SECONDS) -> Usage:
        """Wait until the program has ended by itself, with exit code 0; RuntimeError if not."""
        self._drain(time.monotonic() + seconds)
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._close_pipes()
        if self._process.returncode != 0:
            raise RuntimeError(f"exit code {self._process.returncode}. {self._words()}")
        return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def _drain(self, deadline: float) -> None:
        """Read stdout away until the process is over, so that it never waits for us."""
        assert self._process.stdout is not None
        process = os.pidfd_open(self.pid)
        watched = [process, self._process.stdout.fileno()]
        try:
            while True:
                left = max(0.0, deadline - time.monotonic())
                readable = select.select(watched, [], [], left)[0]
                if process in readable:
                    return
                if not readable:
                    raise RuntimeError(f"did not end in time. {self._words()}")
                if not os.read(watched[1], 65536):
                    watched = [process, process]
        finally:
            os.close(process)

    def check(self) -> None:
        """Raise RuntimeError if the program has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"ended, exit code {self._process.returncode}. {self._words()}")

    def close_stdin(self) -> None:
        """Let the program read the end of its input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def interrupt(self) -> Usage:
        """Press ^C and wait."""
        self._process.send_signal(signal.SIGINT)
        return self.wait_end()

    def close(self) -> None:
        """Make sure that it is gone, whatever happened."""
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def _words(self) -> str:
        return f"Its words: {self._log.read_text(errors='replace')[-1500:]!r}"


def own_peak_bytes() -> int:
    """Return the peak memory of this process, below which no child's can be told."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM in /proc/self/status")
