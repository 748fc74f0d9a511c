"""The loop itself: turns, and the tasks and descriptors that are due in them.

A turn polls until a task is due, runs the tasks that were due when it began, then what the poller
found, then tells the handlers of connections that ended. Nothing else calls a handler.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from threading import get_ident
from typing import Any, Protocol

from rawserver.engine.config import Config
from rawserver.engine.contexts import Contexts, Endable
from rawserver.engine.done_flag import DoneFlag
from rawserver.engine.endpoint import Endpoint
from rawserver.engine.fault_reports import ErrorFunction, FaultReports, Where, call_of
from rawserver.engine.mailbox import Letter, Mailbox
from rawserver.engine.network import READABLE, WRITABLE, Network, Socket
from rawserver.engine.os_network import OsNetwork
from rawserver.engine.task import Task, TaskQueue
from rawserver.engine.turn_times import TurnTimes, name_of
from rawserver.engine.work import Done, Work

# When the loop ends, handlers that hear of it may start things; so often they are ended too.
MOST_CLOSING_ROUNDS = 100
_BOTH = READABLE | WRITABLE
# A task may be due in a year; what pollers can wait for is counted in milliseconds of 31 bits.
LONGEST_POLL_SECONDS = 86400.0
# One for all: of many simulated hosts each would have its own to be fetched from memory.
DEFAULTS = Config()


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
        self.doneflag: threading.Event = DoneFlag() if doneflag is None else doneflag
        self.config = DEFAULTS if config is None else config
        self.network: Network = OsNetwork() if network is None else network
        self.faults = FaultReports(noisy, errorfunc)
        self.poller = self.network.make_poller()
        # The time of this turn, seconds of the network's clock.
        self.now = self.network.time()
        # When the last turn ended: how long the next may wait counts from then.
        self._turned_at = self.now
        self.times = TurnTimes()
        self._time = self.network.time
        self.tasks = TaskQueue()
        self._contexts = Contexts()
        self._registered: dict[int, Pollable] = {}
        # Registered descriptors that are read before they are polled, and for what they will be.
        self._unpolled: dict[int, int] = {}
        # Ended connections whose handlers have not been told, and sockets that are closed when
        # the turn is over: until then no other socket can get their descriptors, and with them
        # the events that were polled for them.
        self._lost: deque[Endpoint] = deque()
        self._held: list[Socket] = []
        self._closed = False
        # The thread that runs the loop; None while it does not run.
        self.thread: int | None = None
        self._mailbox = Mailbox(self.network.make_wakeup(), self._add_task)
        self.register(self._mailbox.wakeup.fileno(), self._mailbox, READABLE)

    # Turning.

    def listen_forever(self) -> None:
        """Turn until `doneflag` is set; then end and close everything. It runs once.

        Every connection still gets its `connection_lost`. KeyboardInterrupt and SystemExit, from
        a handler or a signal, end it in the same way and are raised again.
        """
        self._begin_in_this_thread()
        self._turned_at = self._time()
        stop_watching = self.network.watch(self.doneflag, self._mailbox.wakeup)
        try:
            while not self.doneflag.is_set():
                self._turn(self._poll_timeout(None))
        finally:
            stop_watching()
            self._end()
            self.thread = None

    def listen_once(self, period: float | None = None) -> None:
        """Make one turn, which waits `period` seconds at most, for use in another main loop."""
        self._begin_in_this_thread()
        try:
            if period != 0.0:
                self._turned_at = self._time()
                period = self._poll_timeout(period)
            self._turn(period)
        finally:
            self.thread = None

    def _begin_in_this_thread(self) -> None:
        if self.thread is not None:
            raise RuntimeError("the loop runs already")
        if self._closed:
            raise RuntimeError("the loop has ended")
        self.thread = get_ident()

    def check_thread(self) -> None:
        """Raise RuntimeError in a thread other than the loop's, while it runs."""
        if self.thread is not None and self.thread != get_ident():
            raise RuntimeError("the loop runs in another thread: use external_add_task")

    def _turn(self, timeout: float | None) -> None:
        times = self.times
        events = self.poller.poll(timeout)
        self.now = now = times.began_at = self._time()
        if times.measured_turns:
            self._call_and_measure(events)
        else:
            heap = self.tasks.heap
            if heap and heap[0][0] <= now:
                for task in self.tasks.take_due(now):
                    self._run(task)
            registered = self._registered
            for descriptor, mask in events:
                pollable = registered.get(descriptor)
                if pollable is not None:
                    times.running = pollable
                    try:
                        # Other bits than ours are an error or a hang-up.
                        pollable.ready(mask if mask <= _BOTH else _BOTH)
                    except Exception as error:
                        self.context_failed(None, error, Where(name_of(pollable)))
        if self._lost:
            self._tell_lost()
        if self._held:
            self._close_held()
        self._turned_at = ended = self._time()
        times.end(ended)

    def _call_and_measure(self, events: Sequence[tuple[int, int]]) -> None:
        """Do as `_turn` does, with a look at the clock after each call."""
        measure = self.times.measure
        for task in self.tasks.take_due(self.now):
            self._run(task)
            measure(task, self._time())
        for descriptor, mask in events:
            pollable = self._registered.get(descriptor)
            if pollable is not None:
                self.times.running = pollable
                try:
                    pollable.ready(mask if mask <= _BOTH else _BOTH)
                except Exception as error:
                    self.context_failed(None, error, Where(name_of(pollable)))
                measure(pollable, self._time())

    def _poll_timeout(self, period: float | None) -> float | None:
        if self._lost or self._held:
            return 0.0
        due = self.tasks.next_due()
        if due is None:
            return period
        wait = due - self._turned_at
        if wait <= 0.0:
            return 0.0
        if wait > LONGEST_POLL_SECONDS:
            wait = LONGEST_POLL_SECONDS
        return wait if period is None or wait < period else period

    def _run(self, task: Task) -> None:
        if task.cancelled:
            return  # by one that was due before it
        self.times.running = task
        if task.owner is not None:
            task.owner.pop(task, None)
        try:
            task.func(*task.args)
        except Exception as error:
            self.context_failed(task.context, error, Where(call_of(task.func)))

    def _tell_lost(self) -> None:
        """Tell the handlers of connections that ended; `ConnectionLoop` has some."""

    def _close_held(self) -> None:
        held, self._held = self._held, []
        for sock in held:
            sock.close()

    def close(self) -> None:
        """End everything, tell the handlers, close all sockets and the poller.

        `listen_forever` does it itself; who drives the loop by `listen_once` calls it at the end.
        RuntimeError while the loop runs, where handlers would be called from within one.
        """
        if self.thread is not None:
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
        """Run those tasks alone that a loop that has ended still owes; `ConnectionLoop` has."""

    @property
    def errorfunc(self) -> ErrorFunction:
        """Who is told, at a level of `logging`, what goes wrong; may be replaced."""
        return self.faults.errorfunc

    @errorfunc.setter
    def errorfunc(self, errorfunc: ErrorFunction) -> None:
        self.faults.errorfunc = errorfunc

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
        self.check_thread()
        return self._add_task(func, delay, args, context)

    def _add_task(
        self, func: Callable[..., object], delay: float, args: tuple[Any, ...], context: Hashable
    ) -> Task:
        due = self._time() + delay if delay > 0 else self.now
        if context is None:
            return self.tasks.add(due, func, args, None)
        things = self._contexts.things(context)
        if things is None:
            task = Task(None, due, func, args, context)
            task.cancel()
            return task
        task = self.tasks.add(due, func, args, context)
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

    # What RawServer's own parts tell the loop.

    def hold(self, sock: Socket) -> None:
        """Close a socket when the turn is over."""
        self._held.append(sock)

    def own(self, thing: Endable, context: object) -> None:
        """Give a thing to a context."""
        self._contexts.own(thing, context)

    def disown(self, thing: Endable, context: object) -> None:
        """Take a thing from a context."""
        self._contexts.disown(thing, context)

    def register(self, descriptor: int, pollable: Pollable, events: int) -> None:
        """Have `pollable.ready` called for a descriptor's events."""
        if events:
            self.poller.register(descriptor, events)
        self._registered[descriptor] = pollable

    def register_later(self, descriptor: int, pollable: Pollable, events: int) -> None:
        """Do as `register` when `read_first` is called, which has to follow in the same turn."""
        self._registered[descriptor] = pollable
        self._unpolled[descriptor] = events

    def read_first(self, descriptor: int) -> None:
        """Have `ready` called as if there was something to read, and poll from then on.

        Who ends in that call was never polled. OSError if the poller has no room.
        """
        events = self._unpolled.get(descriptor)
        if events is None:
            return  # it has ended, or is polled for something else meanwhile
        self.times.running = pollable = self._registered[descriptor]
        try:
            pollable.ready(READABLE)
        finally:
            if descriptor in self._unpolled:
                self.change(descriptor, 0, events)

    def replace(self, descriptor: int, pollable: Pollable) -> None:
        """Have `pollable.ready` called for what a descriptor is polled for already."""
        self._registered[descriptor] = pollable

    def change(self, descriptor: int, before: int, after: int) -> None:
        """Poll a registered descriptor for other events than before."""
        if descriptor in self._unpolled:
            del self._unpolled[descriptor]
            before = 0
        if not after:
            # A poller shows hang-ups of whatever is registered, again and again.
            if before:
                self.poller.unregister(descriptor)
        elif not before:
            self.poller.register(descriptor, after)
        else:
            self.poller.modify(descriptor, after)

    def is_registered(self, descriptor: int) -> bool:
        """Tell whether a descriptor is here, polled or paused."""
        return descriptor in self._registered

    def unregister(self, descriptor: int, pollable: Pollable) -> None:
        """Poll a descriptor no more."""
        # A socket that was closed first may have left its descriptor to another.
        if self._registered.get(descriptor) is pollable:
            self.forget(descriptor, None, True)

    def forget(self, descriptor: int, sock: Socket | None, polled: bool) -> None:
        """Poll a socket no more, and close it when the turn is over; None: not here."""
        del self._registered[descriptor]
        if descriptor in self._unpolled:
            del self._unpolled[descriptor]
        elif polled:
            self.poller.unregister(descriptor)
        if sock is not None:
            self._held.append(sock)

    def context_failed(self, context: object, error: BaseException, where: Where) -> None:
        """Report a fault of a handler or task, and give it to the context."""
        self.faults.failed(context, error, where)

    def report(self, level: int, text: str) -> None:
        """Tell `errorfunc` of something, at a level of `logging`."""
        self.faults.report(level, text)
