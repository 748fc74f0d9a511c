"""Threads that run what must not block the loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

# An idle thread costs memory; one that is started again costs little.
IDLE_SECONDS = 10.0


class WorkerPool:
    """Runs functions in the order in which they were started, so many at a time.

    Threads are started when there is work and end when there has been none for a while. They are
    daemons: a process that ends does not wait for them. A function must not raise.
    """

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._condition = threading.Condition()
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads = 0
        self._idle = 0

    def start(self, func: Callable[[], None]) -> None:
        """Run a function as soon as a thread is free. RuntimeError if there can be none."""
        with self._condition:
            self._waiting.append(func)
            if self._idle >= len(self._waiting):
                self._condition.notify()
            elif self._threads < self._num_threads:
                self._start_thread()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name="rawserver-worker", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except RuntimeError:
            # The system has no room for one more: those that there are go on.
            self._threads -= 1
            if not self._threads:
                self._waiting.pop()
                raise

    def _run(self) -> None:
        while True:
            func = self._next()
            if func is None:
                return
            func()
            # Nothing of it is kept alive by a thread that waits.
            del func

    def _next(self) -> Callable[[], None] | None:
        with self._condition:
            if not self._waiting:
                self._idle += 1
                self._condition.wait_for(lambda: self._waiting, IDLE_SECONDS)
                self._idle -= 1
            if not self._waiting:
                self._threads -= 1
                return None
            return self._waiting.popleft()
