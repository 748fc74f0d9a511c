"""Work that takes virtual time: what a pool of threads is on a machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from rawserver.engine.work import Outcome, Work
from rawserver.simulation.cost_meter import CostMeter

# Handing a function to a thread and its outcome back.
OVERHEAD_SECONDS = 50e-6
# Per byte that a function reads from or writes to the disk: SHA-1 on one core.
HASHING_SECONDS_PER_BYTE = 1e-9
NUM_WORKERS = 4
NUM_LOOK_UPS = 8

Schedule = Callable[..., Any]


class Cancellable(Protocol):
    """What `World.schedule` returns."""

    def cancel(self) -> None: ...


class SimulatedWorkers:
    """Runs functions in the order in which they were started, so many at a time.

    A function runs at the virtual moment at which a worker takes it, all at once. What the disk
    and the resolver noted on the meter meanwhile is how long it took: only then is its outcome
    told (of `Work`, which all of RawServer's is), and the worker free for the next. So what it
    does is done at the beginning of its time, and known at the end.
    """

    __slots__ = ("_begun", "_meter", "_num_workers", "_running", "_schedule", "_waiting",
                 "overhead_seconds", "seconds_per_byte")  # fmt: skip

    def __init__(
        self,
        schedule: Schedule,
        meter: CostMeter,
        num_workers: int = NUM_WORKERS,
        *,
        overhead_seconds: float = OVERHEAD_SECONDS,
        seconds_per_byte: float = HASHING_SECONDS_PER_BYTE,
    ) -> None:
        """`schedule(delay, func, *args)` is the world's."""
        self._schedule = schedule
        self._meter = meter
        self._num_workers = num_workers
        self.overhead_seconds = overhead_seconds
        self.seconds_per_byte = seconds_per_byte
        self._waiting: deque[Callable[[], None]] = deque()
        # The next event of each busy worker, by its number. An idle one is forgotten.
        self._running: dict[int, Cancellable] = {}
        self._begun = 0

    def start(self, func: Callable[[], None]) -> None:
        """Run a function as soon as a worker is free, never from inside this call."""
        self._waiting.append(func)
        if len(self._running) < self._num_workers:
            self._begun += 1
            self._take_next(self._begun)

    @property
    def unfinished(self) -> int:
        """How many functions wait, run, or have not been told."""
        return len(self._waiting) + len(self._running)

    def stop(self) -> None:
        """Forget all work, as the end of its process does. What ran has done what it did."""
        self._waiting.clear()
        for event in self._running.values():
            event.cancel()
        self._running.clear()

    def _take_next(self, worker: int) -> None:
        # Of those that wait, the one that is first now: another worker may not overtake.
        func = self._waiting.popleft()
        self._running[worker] = self._schedule(self.overhead_seconds, self._run, worker, func)

    def _run(self, worker: int, func: Callable[[], None]) -> None:
        outcome: Outcome | None = None
        # A loop that shares the meter has its own account.
        with self._meter.apart() as meter:
            if isinstance(func, Work):
                outcome = func.run()
            else:
                func()
            seconds = meter.seconds + meter.num_bytes * self.seconds_per_byte
        if worker in self._running:  # unless it stopped its own process
            self._running[worker] = self._schedule(seconds, self._end, worker, func, outcome)

    def _end(self, worker: int, func: Callable[[], None], outcome: Outcome | None) -> None:
        del self._running[worker]
        if outcome is not None and isinstance(func, Work):
            func.tell(*outcome)
        if self._waiting and len(self._running) < self._num_workers:
            self._take_next(worker)
