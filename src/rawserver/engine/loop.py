"""The loop itself: turns, tasks, work off the loop, and contexts that own things.

A turn polls until a task is due, runs the tasks that were due when it began, then what the poller
found, then tells the handlers of connections that ended. Nothing else calls a handler.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Protocol

from rawserver.engine.config import Config
from rawserver.engine.contexts import Contexts, Endable
from rawserver.engine.handler import Address
from rawserver.engine.idle_timeouts import IdleTimeouts
from rawserver.engine.mailbox import Letter, Mailbox
from rawserver.engine.network import READABLE, Network, Socket
from rawserver.engine.os_network import OsNetwork
from rawserver.engine.single_socket import SingleSocket
from rawserver.engine.task import Task, TaskQueue
from rawserver.engine.work import Done, Work

ErrorFunction = Callable[[int, str], None]

# When the loop ends, handlers that hear of it may start things; so often they are ended too.
MOST_CLOSING_ROUNDS = 100
# A task may be due in a year; what pollers can wait for is counted in milliseconds of 31 bits.
LONGEST_POLL_SECONDS = 86400.0


class Pollable(Protocol):
    """What is registered with the poller."""

    def ready(self, events: int) -> None: ...


class Loop:
    """What turns; `RawServer` adds what it is used for."""

    def __init__(
        self,
        doneflag: threading.Event | None,
        config: Config | None,
        network: Network | None,
        noisy: bool,
        errorfunc: ErrorFunction | None,
    ) -> None:
        self.doneflag = threading.Event() if doneflag is None else doneflag
        self.config = Config() if config is None else config
        self.network: Network = OsNetwork() if network is None else network
        self.noisy = noisy
        self.errorfunc = _write_to_stderr if errorfunc is None else errorfunc
        self.poller = self.network.make_poller()
        # The time of this turn, seconds of the network's clock.
        self.now = self.network.time()
        self._time = self.network.time
        self._tasks = TaskQueue()
        self._contexts = Contexts()
        self._registered: dict[int, Pollable] = {}
        self._idle_timeouts = IdleTimeouts()
        self._scan: Task | None = None
        # Ended connections whose handlers have not been told, and sockets that are closed when
        # the turn is over: until then no other socket can get their descriptors, and with them
        # the events that were polled for them.
        self._lost: deque[SingleSocket] = deque()
        self._held: list[Socket] = []
        self._closed = False
        self._thread: int | None = None
        self._mailbox = Mailbox(self.network.make_wakeup(), self._add_task)
        self.register(self._mailbox.wakeup.fileno(), self._mailbox, READABLE)

    # Turning.

    def listen_forever(self) -> None:
        """Turn until `doneflag` is set; then end and close everything. It runs once.

        Every connection still gets its `connection_lost`. KeyboardInterrupt and SystemExit, from
        a handler or a signal, end it in the same way and are raised again.
        """
        self._begin_in_this_thread()
        stop_watching = self.network.watch(self.doneflag, self._mailbox.wakeup)
        try:
            while not self.doneflag.is_set():
                self._turn(None)
        finally:
            stop_watching()
            self._end()
            self._thread = None

    def listen_once(self, period: float | None = None) -> None:
        """Make one turn, which waits `period` seconds at most, for use in another main loop."""
        self._begin_in_this_thread()
        try:
            self._turn(period)
        finally:
            self._thread = None

    def _begin_in_this_thread(self) -> None:
        if self._thread is not None:
            raise RuntimeError("the loop runs already")
        if self._closed:
            raise RuntimeError("the loop has ended")
        self._thread = threading.get_ident()

    def _check_thread(self) -> None:
        if self._thread is not None and self._thread != threading.get_ident():
            raise RuntimeError("the loop runs in another thread: use external_add_task")

    def _turn(self, period: float | None) -> None:
        events = self.poller.poll(self._poll_timeout(period))
        self.now = self._time()
        for task in self._tasks.take_due(self.now):
            if not task.cancelled:
                self._run(task)
        registered = self._registered
        for descriptor, mask in events:
            pollable = registered.get(descriptor)
            if pollable is not None:
                try:
                    pollable.ready(mask)
                except Exception as error:
                    self.context_failed(None, error)
        if self._lost:
            self._tell_lost()
        if self._held:
            self._close_held()

    def _poll_timeout(self, period: float | None) -> float | None:
        if self._lost or self._held:
            return 0.0
        due = self._tasks.next_due()
        if due is None:
            return period
        wait = min(max(0.0, due - self._time()), LONGEST_POLL_SECONDS)
        return wait if period is None else min(wait, period)

    def _run(self, task: Task) -> None:
        if task.owner is not None:
            task.owner.pop(task, None)
        try:
            task.func(*task.args)
        except Exception as error:
            self.context_failed(task.context, error)

    def _tell_lost(self) -> None:
        # Only those of this turn: a handler that ends another in `connection_lost` is not nested.
        for _ in range(len(self._lost)):
            connection = self._lost.popleft()
            self.call_handler(connection, "connection_lost")
            self._contexts.disown(connection, connection.context)

    def _close_held(self) -> None:
        held, self._held = self._held, []
        for sock in held:
            sock.close()

    def close(self) -> None:
        """End everything, tell the handlers, close all sockets and the poller.

        `listen_forever` does it itself; who drives the loop by `listen_once` calls it at the end.
        RuntimeError while the loop runs, where handlers would be called from within one.
        """
        if self._thread is not None:
            raise RuntimeError("the loop runs: set its doneflag to end it")
        self._end()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        for _ in range(MOST_CLOSING_ROUNDS):
            self._contexts.end_all()
            self._run_what_tells_of_the_end()
            self._tell_lost()
            self._close_held()
            if not self._lost and not self._held:
                break
        self._mailbox.close()
        self.poller.close()

    def _run_what_tells_of_the_end(self) -> None:
        for task in self._tasks.take_due(self.now):
            if not task.cancelled and task.func == self._tell_failed:
                self._run(task)

    # Idle connections.

    def scan_for_timeouts(self) -> None:
        """End the connections on which nothing passed for their time-out."""
        if self._scan is not None:
            self._scan.cancel()  # somebody called this before it was due
            self._scan = None
        for connection in self._idle_timeouts.take_idle(self._time()):
            connection.idle()
        self._scan_later()

    def _watch_for_idleness(self, connection: SingleSocket) -> None:
        self._idle_timeouts.add(connection)
        if self._scan is None:
            self._scan_later()

    def _scan_later(self) -> None:
        if len(self._idle_timeouts):
            self._scan = self._add_task(
                self.scan_for_timeouts, self.config.timeout_check_interval, (), None
            )

    # Tasks and work.

    def add_task(
        self,
        func: Callable[..., object],
        delay: float = 0.0,
        args: tuple[Any, ...] = (),
        context: Hashable = None,
    ) -> Task:
        """Call `func(*args)` in `delay` seconds; 0 is the next turn. Returns what can cancel it.

        Tasks run in the order of (due time, order added). One of a context that is not live is
        dropped: the returned task is cancelled already.
        """
        self._check_thread()
        return self._add_task(func, delay, args, context)

    def _add_task(
        self, func: Callable[..., object], delay: float, args: tuple[Any, ...], context: Hashable
    ) -> Task:
        due = self._time() + delay if delay > 0 else self.now
        if context is None:
            return self._tasks.add(due, func, args, None)
        things = self._contexts.things(context)
        if things is None:
            task = Task(None, due, func, args, context)
            task.cancel()
            return task
        task = self._tasks.add(due, func, args, context)
        task.owner = things
        things[task] = None
        return task

    def external_add_task(
        self,
        func: Callable[..., object],
        delay: float = 0.0,
        args: tuple[Any, ...] = (),
        context: Hashable = None,
    ) -> None:
        """Do as `add_task` from any thread; the loop wakes."""
        hash(context)  # TypeError in who calls: on the loop nobody could tell whose it is
        self._mailbox.add(Letter(func, float(delay), args, context))

    def start_work(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...] = (),
        done: Done | None = None,
        context: Hashable = None,
    ) -> None:
        """Run `func(*args)` off the loop, then `done(result, error)` as a task on it.

        Work is started in order, on a bounded number of threads. `error` is what `func` raised
        or None, and `result` None in the first case. Nothing is called when the context has been
        removed meanwhile. An error that there is no `done` to take is reported as a task's is.
        """
        self.network.start_work(
            Work(self.external_add_task, self._contexts, func, args, done, context)
        )

    def start_look_up(
        self, host: str, port: int, kind: int, done: Done, context: Hashable = None
    ) -> None:
        """Resolve a name off the loop, then `done(addresses, error)` as of `start_work`.

        Look-ups do not wait for work, nor work for them. `addresses` are `SocketAddress`es.
        """
        look_up, args = self.network.resolve, (host, port, kind)
        self.network.start_look_up(
            Work(self.external_add_task, self._contexts, look_up, args, done, context)
        )

    # Contexts.

    def add_context(self, context: Hashable) -> None:
        """Let `context` own things; it may offer `got_exception(error)`. ValueError if it does."""
        self._contexts.add(context)

    def remove_context(self, context: Hashable) -> None:
        """End all that a context owns, at once: tasks, connections, attempts, listeners, work.

        The handlers of its connections still hear `connection_lost`. Its listening sockets are
        closed. Nothing if it is not live.
        """
        self._check_thread()
        self._contexts.end(context)

    def own(self, thing: Endable, context: object) -> None:
        """Give a thing to a context; for RawServer's own parts."""
        self._contexts.own(thing, context)

    def disown(self, thing: Endable, context: object) -> None:
        """Take a thing from a context; for RawServer's own parts."""
        self._contexts.disown(thing, context)

    def could_not_connect(
        self, connection: SingleSocket, address: Address, error: BaseException
    ) -> None:
        """Tell the handler, in the next turn; for RawServer's own parts."""
        self._contexts.disown(connection, connection.context)
        self._add_task(self._tell_failed, 0.0, (connection, address, error), None)

    def _tell_failed(
        self, connection: SingleSocket, address: Address, error: BaseException
    ) -> None:
        connection.failed(error)
        failed = getattr(connection.handler, "connection_failed", None)
        if failed is not None:
            try:
                failed(address, error)
            except Exception as fault:
                self.context_failed(connection.context, fault)

    # What RawServer's own parts tell the loop.

    def register(self, descriptor: int, pollable: Pollable, events: int) -> None:
        """Have `pollable.ready` called for a descriptor's events."""
        if events:
            self.poller.register(descriptor, events)
        self._registered[descriptor] = pollable

    def unregister(self, descriptor: int, pollable: Pollable) -> None:
        """Poll a descriptor no more."""
        # A socket that was closed first may have left its descriptor to another.
        if self._registered.get(descriptor) is pollable:
            del self._registered[descriptor]
            self.poller.unregister(descriptor)

    def forget(self, descriptor: int, sock: Socket | None, polled: bool) -> None:
        """Poll a socket no more, and close it when the turn is over; None: not here."""
        del self._registered[descriptor]
        if polled:
            self.poller.unregister(descriptor)
        if sock is not None:
            self._held.append(sock)

    def was_lost(self, connection: SingleSocket) -> None:
        """Note a connection that ended; its handler is told at the end of the turn."""
        self._idle_timeouts.remove(connection)
        self._lost.append(connection)

    def call_handler(self, connection: SingleSocket, name: str) -> Any:
        """Call a method of a connection's handler, if it has it; a fault ends the connection."""
        method = getattr(connection.handler, name, None)
        if method is None:
            return None
        try:
            return method(connection)
        except Exception as error:
            self.handler_failed(connection, error)
            return None

    def handler_failed(self, connection: SingleSocket, error: BaseException) -> None:
        """End a connection whose handler raised, and tell its context."""
        # The handler may have given the connection to a context during the call: it is asked now.
        context = connection.context
        connection.lose(error)
        self.context_failed(context, error)

    def context_failed(self, context: object, error: BaseException) -> None:
        """Report a fault of a handler or task, and give it to the context."""
        if self.noisy:
            self.report(logging.ERROR, "".join(traceback.format_exception(error)).rstrip())
        got_exception = getattr(context, "got_exception", None)
        if got_exception is not None:
            try:
                got_exception(error)
            except Exception as fault:
                self.report(logging.ERROR, "".join(traceback.format_exception(fault)).rstrip())

    def report(self, level: int, text: str) -> None:
        """Tell `errorfunc`; where that fails, stderr, and where that fails there is nobody left."""
        try:
            self.errorfunc(level, text)
        except Exception as error:  # a full disk under a log must not end everybody's connections
            with suppress(Exception):
                _write_to_stderr(level, f"{text}\n(errorfunc failed: {error!r})")


def _write_to_stderr(level: int, text: str) -> None:
    print(f"{logging.getLevelName(level)}: {text}", file=sys.stderr)
