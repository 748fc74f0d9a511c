"""Several processes that serve one port: a loop uses one core, and a machine has many.

The processes are forked before there is a RawServer, and each makes its own. What they listen on
is shared in either of two ways:

    # One socket, which all of them accept from: whoever is idle takes the next connection.
    serversocket = socket.create_server(("", 8000))

    def serve(index: int) -> None:
        raw_server = RawServer()
        raw_server.start_listening(serversocket, handler)
        ...

    # A socket each (SO_REUSEPORT): the system spreads connections over them evenly, and none wakes
    # for nothing; but what waits to be accepted by a process that dies is lost with it.
    def serve(index: int) -> None:
        serversocket = socket.create_server(("", 8000), reuse_port=True)
        ...

    sys.exit(prefork(None, serve))
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from types import FrameType
from typing import NoReturn

from rawserver.engine.fault_reports import write_to_stderr

# Whoever lived so long had begun to serve: when it dies it is replaced at once, and counts anew.
SETTLED_SECONDS = 10.0
# The wait before a process that died early is replaced doubles up to this.
LONGEST_RESTART_DELAY = 30.0
# When every process died early so many times in a row, the next ones would too.
MOST_EARLY_DEATHS = 5
_STOPPING = (signal.SIGTERM, signal.SIGINT)
_FORWARDED = (*_STOPPING, signal.SIGHUP)

Serve = Callable[[int], object]
Report = Callable[[int, str], object]


class PreforkFailed(ChildProcessError):
    """All processes died again and again soon after they were started."""


class _Process:
    """One of the processes: a place that is filled again when it falls empty."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.pid = 0
        self.started_at = 0.0
        self.early_deaths = 0
        # When to fill the place; None if it is filled, or is to stay empty.
        self.restart_at: float | None = None


def prefork(
    num_processes: int | None,
    serve: Serve,
    *,
    stop_timeout: float = 30.0,
    restart_delay: float = 0.1,
    report: Report | None = None,
) -> int:
    """Run `serve(index)` in so many processes (None: one for each core) until they have ended.

    One that dies is replaced, after `restart_delay` seconds if it had not lived long, and twice
    that the next time; one whose `serve` returns has finished and is not. SIGTERM, SIGINT and
    SIGHUP are forwarded. After the first two the processes have `stop_timeout` seconds to end and
    are killed then; if this process is killed itself, they get a SIGTERM.

    Returns an exit status: 0 if all ended in good order, 1 otherwise. Raises PreforkFailed when
    all die at once, time after time, and OSError when the first cannot be forked. For the main
    thread of a process that has no other (RuntimeError): a fork copies no threads but their
    locks. `report(level, text)` hears of deaths; by default they are written to stderr.
    """
    count = (os.cpu_count() or 1) if num_processes is None else num_processes
    if count < 1:
        raise ValueError(f"{count} processes cannot serve")
    if threading.active_count() > 1 or threading.current_thread() is not threading.main_thread():
        raise RuntimeError("prefork comes before threads, and before a RawServer, which has some")
    tell = write_to_stderr if report is None else report
    with ExitStack() as undo:
        parent = _Parent(count, serve, stop_timeout, restart_delay, tell, undo)
        return parent.run()


class _Parent:
    """What starts, watches and ends the processes."""

    def __init__(
        self,
        count: int,
        serve: Serve,
        stop_timeout: float,
        restart_delay: float,
        report: Report,
        undo: ExitStack,
    ) -> None:
        self._processes = [_Process(index) for index in range(count)]
        self._serve = serve
        self._stop_timeout = stop_timeout
        self._restart_delay = restart_delay
        self._report = report
        self._kill_at: float | None = None
        self._status = 0
        self._last_death = ""
        self._came: deque[int] = deque()
        # The processes hold the end for reading: it ends when this process does, however.
        self._life = os.pipe()
        for descriptor in self._life:
            undo.callback(os.close, descriptor)
        self._reading, self._writing = socket.socketpair()
        for sock in (self._reading, self._writing):
            sock.setblocking(False)
            undo.callback(sock.close)
        undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(self._writing.fileno()))
        self._before = {
            number: signal.getsignal(number) for number in (*_FORWARDED, signal.SIGCHLD)
        }
        undo.callback(self._restore_signals)
        for number in self._before:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came.append(number)

    def _restore_signals(self) -> None:
        for number, handler in self._before.items():
            # None: it was set by what is not Python, and cannot be had back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def run(self) -> int:
        try:
            for process in self._processes:
                self._start(process)
            while True:
                self._reap()
                self._forward()
                self._start_again()
                if not any(self._living()) and not any(self._waiting()):
                    return self._status
                self._check_early_deaths()
                self._wait()
        finally:
            self._kill()  # none is left but after an error

    def _living(self) -> Iterable[_Process]:
        return (process for process in self._processes if process.pid)

    def _waiting(self) -> Iterable[float]:
        return (one.restart_at for one in self._processes if one.restart_at is not None)

    def _wait(self) -> None:
        """Sleep until a signal comes, or until something is due."""
        due = list(self._waiting())
        if self._kill_at is not None:
            due.append(self._kill_at)
        milliseconds = None if not due else max(0.0, min(due) - time.monotonic()) * 1000 + 1
        poll = select.poll()
        poll.register(self._reading, select.POLLIN)
        if poll.poll(milliseconds):
            with suppress(BlockingIOError):
                while self._reading.recv(4096):
                    pass
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._status = 1
            self._report(logging.ERROR, f"killed what had not ended in {self._stop_timeout:g} s")
            self._kill()

    def _start(self, process: _Process) -> None:
        process.started_at = time.monotonic()
        process.restart_at = None
        # A signal that comes between the fork and the child's own handlers waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, self._before)
        sys.stdout.flush()  # or each child would write what this one still holds
        sys.stderr.flush()
        try:
            process.pid = os.fork()
            if not process.pid:
                self._run_child(process.index)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._before)

    def _run_child(self, index: int) -> NoReturn:
        status = 1
        try:
            # ^C is for all processes of the terminal's group: they would have it twice.
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            self._restore_signals()
            self._reading.close()
            self._writing.close()
            os.close(self._life[1])
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._before)
            threading.Thread(
                target=self._watch_parent, name="rawserver-parent", daemon=True
            ).start()
            self._serve(index)
            status = 0
        except SystemExit as end:
            status = _exit_status(end)
        except KeyboardInterrupt:
            status = 128 + signal.SIGINT
        except BaseException:
            traceback.print_exc()
        finally:
            # Nothing of the parent's may run here: its `finally`s, its caller, its `atexit`s.
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(status)

    def _watch_parent(self) -> None:
        # Signals are for the thread that runs the loop.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.read(self._life[0], 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _reap(self) -> None:
        for process in list(self._living()):
            # By its number: other children of this process are others' to wait for.
            pid, status = os.waitpid(process.pid, os.WNOHANG)
            if pid:
                process.pid = 0
                self._ended(process, pid, os.waitstatus_to_exitcode(status))

    def _ended(self, process: _Process, pid: int, status: int) -> None:
        if self._kill_at is not None:
            if status not in (0, 128 + signal.SIGINT, *(-number for number in _STOPPING)):
                self._status = 1
            return
        if not status:
            return
        how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
        self._died(process, f"process {process.index} ({pid}) ended {how}")

    def _died(self, process: _Process, text: str) -> None:
        now = time.monotonic()
        delay = 0.0
        if now - process.started_at >= SETTLED_SECONDS:
            process.early_deaths = 0
        else:
            delay = self._restart_delay * 2.0 ** min(process.early_deaths, 30)
            delay = min(delay, LONGEST_RESTART_DELAY)
            process.early_deaths += 1
        process.restart_at = now + delay
        self._last_death = text
        self._report(logging.ERROR, f"{text}; another is started in {delay:g} s")

    def _check_early_deaths(self) -> None:
        # Those that have finished say nothing of the others.
        places = [one for one in self._processes if one.pid or one.restart_at is not None]
        if all(not one.pid and one.early_deaths >= MOST_EARLY_DEATHS for one in places):
            raise PreforkFailed(
                f"all {len(places)} processes died {MOST_EARLY_DEATHS} times within "
                f"{SETTLED_SECONDS:g} s of their start; the last: {self._last_death}"
            )

    def _start_again(self) -> None:
        now = time.monotonic()
        for process in self._processes:
            if process.restart_at is not None and process.restart_at <= now:
                try:
                    self._start(process)
                except OSError as error:
                    self._died(process, f"process {process.index} cannot be forked: {error}")

    def _forward(self) -> None:
        while self._came:
            number = self._came.popleft()
            if number == signal.SIGCHLD:
                continue
            if number in _STOPPING and self._kill_at is None:
                self._kill_at = time.monotonic() + self._stop_timeout
                for process in self._processes:
                    process.restart_at = None
            for process in self._living():
                os.kill(process.pid, number)  # not reaped: the number is still its own

    def _kill(self) -> None:
        for process in self._living():
            os.kill(process.pid, signal.SIGKILL)
        for process in self._living():
            os.waitpid(process.pid, 0)
            process.pid = 0


def _exit_status(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1
