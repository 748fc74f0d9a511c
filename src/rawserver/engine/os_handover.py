"""Listening sockets handed to a successor process: a service renewed, no connection refused.

The successor gets the very sockets, as a service manager would hand them (`os_inherited_sockets`),
and says by sd_notify (`os_notify`) when it serves. Until then, and if it never does, this process
goes on; both may accept in between, and what waits to be accepted waits for either.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Protocol

from rawserver.engine.network import READABLE
from rawserver.engine.os_inherited_sockets import FIRST_DESCRIPTOR
from rawserver.engine.os_notify import MANAGER_NOTIFY_SOCKET, notify
from rawserver.engine.task import Task

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

# LISTEN_PID can only be said once there is a process; `exec` keeps its number.
_SHELL = ("sh", "-c", 'LISTEN_PID=$$; export LISTEN_PID; exec "$@"', "sh")
# How often it is looked whether the successor still lives, while it is waited for.
CHECK_SECONDS = 0.05
# sd_listen_fds(3): what FileDescriptorName= may be.
LONGEST_NAME = 255
# A notification is a few short lines.
MOST_NOTIFICATION_BYTES = 4096
# Python ignores these, which would be passed on.
_TO_RESTORE = {signal.SIGPIPE, signal.SIGXFSZ}

Done = Callable[[OSError | None], object]


class HasDescriptor(Protocol):
    """A listening socket, or whatever else a successor should get."""

    def fileno(self) -> int: ...


class HandoverFailed(ChildProcessError):
    """The successor ended, or was not ready in time and has been killed."""


class Handover:
    """A successor on its way. `pid` is its process, a child of this one."""

    def __init__(self, raw_server: RawServer, done: Done, context: Hashable) -> None:
        self.pid = 0
        self._raw_server = raw_server
        self._done = done
        self._context = context
        self._environ: Mapping[str, str] = {}
        self._check: Task | None = None
        # What is undone, last first, when there is nothing more to wait for.
        self._undo = ExitStack()

    def start(
        self,
        command: Sequence[str],
        serversockets: Mapping[str, HasDescriptor],
        environ: Mapping[str, str],
        ready_timeout: float,
    ) -> None:
        """Start the successor and wait for it; nothing is left if it cannot be."""
        self._environ = environ
        raw_server, context = self._raw_server, self._context
        with ExitStack() as undo:
            deadline = raw_server.add_task(self._late, ready_timeout, (ready_timeout,), context)
            undo.callback(deadline.cancel)
            raw_server.own(self, context)
            undo.callback(raw_server.disown, self, context)
            # Private to this user: whoever can write there can say that the successor is ready.
            directory = undo.enter_context(tempfile.TemporaryDirectory(prefix="rawserver-"))
            address = os.path.join(directory, "notify")
            self._listen(address, undo)
            environment = self._environment(list(serversockets), address)
            self.pid = _spawn(command, serversockets, environment)
            self._undo = undo.pop_all()
        self._check_later()

    def _listen(self, address: str, undo: ExitStack) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sock.bind(address)
            sock.setblocking(False)
            self._raw_server.register(sock.fileno(), self, READABLE)
        except OSError:
            sock.close()
            raise
        undo.callback(self._raw_server.forget, sock.fileno(), sock, True)
        self._notified = sock

    def _environment(self, names: list[str], address: str) -> dict[str, str]:
        environment = {**self._environ, "LISTEN_FDS": str(len(names))}
        environment["LISTEN_FDNAMES"] = ":".join(names)
        if "NOTIFY_SOCKET" in environment:
            environment[MANAGER_NOTIFY_SOCKET] = environment["NOTIFY_SOCKET"]
        environment["NOTIFY_SOCKET"] = address
        return environment

    def ready(self, events: int) -> None:
        """Take what the successor tells; called by the loop."""
        try:
            lines = self._notified.recv(MOST_NOTIFICATION_BYTES).split(b"\n")
        except (BlockingIOError, InterruptedError):
            return
        # One that was ready and ended at once is no successor.
        if b"READY=1" in lines and self._lives():
            self._stop_waiting()
            self._tell_manager()
            self._done(None)

    def _tell_manager(self) -> None:
        # Otherwise it would take the end of this process for that of the service, and end it all.
        try:
            notify(f"MAINPID={self.pid}", self._environ)
        except (OSError, ValueError) as error:
            text = f"cannot tell the service manager of the successor: {error}"
            self._raw_server.report(logging.ERROR, text)

    def _check_later(self) -> None:
        self._check = self._raw_server.add_task(self._check_life, CHECK_SECONDS, (), self._context)

    def _check_life(self) -> None:
        if self._lives():
            self._check_later()

    def _lives(self) -> bool:
        """Tell whether the successor lives; if not, it is told that it failed."""
        status = _reap(self.pid, os.WNOHANG)
        if status is None:
            return True
        self._stop_waiting()
        how = f"by signal {-status}" if status < 0 else f"with exit status {status}"
        self._done(HandoverFailed(f"the successor ended {how} before it served"))
        return False

    def _late(self, seconds: float) -> None:
        self._stop_waiting()
        error = HandoverFailed(f"the successor was not ready in {seconds:g} seconds")
        self._kill(lambda result, fault: self._done(error))

    def end(self) -> None:
        """Give up and kill the successor; `done` is not called. Nothing once that is called."""
        if self._stop_waiting():
            self._kill(None)

    def _kill(self, then: Callable[[object, BaseException | None], object] | None) -> None:
        with suppress(ProcessLookupError):  # somebody else waits for all children here
            os.kill(self.pid, signal.SIGKILL)
        # A process that the kernel holds in the midst of a read ends when that is over.
        self._raw_server.start_work(_reap, (self.pid, 0), then, self._context)

    def _stop_waiting(self) -> bool:
        """Wait for the successor no more; False if that is over already."""
        if self._check is None:
            return False
        self._check.cancel()
        self._check = None
        self._undo.close()
        return True


def hand_over(
    raw_server: RawServer,
    command: Sequence[str],
    serversockets: Mapping[str, HasDescriptor],
    done: Done,
    *,
    ready_timeout: float = 30.0,
    environ: Mapping[str, str] = os.environ,
    context: Hashable = None,
) -> Handover:
    """Start `command` with listening sockets by their names; `done(error)` on the loop.

    The successor takes them by `inherited_serversockets()`, begins to listen and calls
    `notify_ready()`. At `done(None)` it serves: stop listening, close the sockets here, and let
    the connections come to their end. Otherwise it ended, or took more than `ready_timeout`
    seconds and was killed, and nothing has changed here.

    A service manager is told of the new main process (MAINPID). OSError if no process can be had,
    ValueError for names that cannot be told. Ending the context gives up; so does `end`.
    """
    for name in serversockets:
        if ":" in name or not name.isprintable() or len(name) > LONGEST_NAME:
            raise ValueError(f"a socket cannot be handed over by the name {name!r}")
    handover = Handover(raw_server, done, context)
    handover.start(command, serversockets, environ, ready_timeout)
    return handover


def _spawn(
    command: Sequence[str], serversockets: Mapping[str, HasDescriptor], environ: Mapping[str, str]
) -> int:
    """Start a process with its descriptors in a row from 3 on.

    This waits until the shell, which is in memory, is there, not until its program is.
    """
    beyond = FIRST_DESCRIPTOR + len(serversockets)
    actions: list[tuple[int, int, int]] = []
    with ExitStack() as copies:
        for index, sock in enumerate(serversockets.values()):
            # Out of the way of those that they become, whose places they may have.
            copy = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, beyond)
            copies.callback(os.close, copy)
            actions.append((os.POSIX_SPAWN_DUP2, copy, FIRST_DESCRIPTOR + index))
        return os.posix_spawn(
            "/bin/sh",
            [*_SHELL, *command],
            environ,
            file_actions=actions,
            setsigdef=_TO_RESTORE,
        )


def _reap(pid: int, options: int) -> int | None:
    """Return how a child ended, a signal as a negative number; None if it has not yet."""
    try:
        found, status = os.waitpid(pid, options)
    except ChildProcessError:
        return 255  # somebody else waits for all children here: how it ended, they know
    return os.waitstatus_to_exitcode(status) if found else None
