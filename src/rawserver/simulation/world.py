"""The world: its one clock, its one source of chance, and what is to happen in it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from heapq import heappop
from itertools import count
from typing import TYPE_CHECKING, Any

from rawserver.simulation.block_pool import BlockPool
from rawserver.simulation.collector import rare_collections
from rawserver.simulation.event_queue import Entry, EventQueue
from rawserver.simulation.fabric import Fabric
from rawserver.simulation.guard import RealWorldGuard
from rawserver.simulation.kernel_timers import KernelTimers
from rawserver.simulation.names import Names
from rawserver.simulation.trace import Trace

if TYPE_CHECKING:
    from rawserver.simulation.fault import Fault
    from rawserver.simulation.host import Host
    from rawserver.simulation.poller import SimulatedPoller

# Not zero, so that a time that was forgotten to be set is seen.
BEGINNING = 1000.0


class Event:
    """Something that is to happen at `at`, unless it is cancelled before."""

    __slots__ = ("_args", "_func", "at", "cancelled")

    def __init__(self, at: float, func: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.at = at
        self.cancelled = False
        self._func = func
        self._args = args

    def cancel(self) -> None:
        """Have it not happen."""
        self.cancelled = True
        self._args = ()

    def happen(self) -> None:
        """Call what was scheduled; the world does."""
        if not self.cancelled:
            self._func(*self._args)


class World:
    """A simulated internet: hosts, the net between them, and their time.

    All that happens follows from `seed` and from what the program does: the same again is the same.
    `now` is in seconds and moves on by `run`, or while one of its RawServers is polled. Nothing
    here is for several threads.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.now = BEGINNING
        self.random = random.Random(seed)
        self.hosts: dict[str, Host] = {}
        # Addresses by name, as the hosts look them up.
        self.names = Names()
        # Events that have happened.
        self.events = 0
        # Set by a scenario in which handlers may raise: else it fails by that.
        self.faults_expected = False
        # What chaos has planned, and the numbers of what may happen of it (None: all).
        self.planned_faults: list[Fault] = []
        self.kept_faults: frozenset[int] | None = None
        # Entered while the world runs: what watches over its determinism.
        self.guard: AbstractContextManager[object] = RealWorldGuard()
        self._queue = EventQueue()
        self._push = self._queue.push
        # What is due at this very moment. The queue takes it if there is anything else of now.
        self._soon: list[Entry] = []
        self._is_running = False
        self._sequence = count()
        self._draw = self.random.random
        self._pollers: dict[SimulatedPoller, None] = {}
        # What is on the disks of several hosts is kept once.
        self.blocks = BlockPool()
        self.trace = Trace()
        self.kernel_timers = KernelTimers(self)
        self.fabric = Fabric(self)
        # Hosts that are members of a multicast group, in the order of joining.
        self.groups: dict[str, dict[Host, int]] = {}

    def child_random(self, name: str) -> random.Random:
        """Return a source of chance of its own: what is added beside it does not change it."""
        return random.Random(f"{self.seed} {name}")

    def choose_faults(self, faults: Iterable[Fault]) -> list[Fault]:
        """Note faults that are planned; returns those that are to happen."""
        first = len(self.planned_faults)
        self.planned_faults += faults
        kept = self.kept_faults
        numbered = enumerate(self.planned_faults[first:], first)
        return [fault for number, fault in numbered if kept is None or number in kept]

    # What is to happen.

    def schedule(self, delay: float, func: Callable[..., object], /, *args: Any) -> Event:
        """Call `func(*args)` in `delay` seconds.

        Those of one time happen in an order that the seed decides.
        """
        event = Event(self.now + delay, func, args)
        entry = (event.at, self._draw(), next(self._sequence), event.happen, ())
        self._push(entry)
        return event

    def draw_tie(self) -> float:
        """Return a `tie` for `call_at`."""
        return self._draw()

    def call_at(
        self, at: float, tie: float, func: Callable[..., object], args: tuple[Any, ...] = ()
    ) -> None:
        """Call `func(*args)` at a time, come what may.

        Of those of one time the lowest `tie` is first, and those of one tie come as they were
        added: packets of one path have one.
        """
        if at < self.now:
            at = self.now
        self._push((at, tie, next(self._sequence), func, args))

    def call_soon(self, tie: float, func: Callable[..., object]) -> None:
        """Call `func()` at this time, as `call_at` does."""
        entry = (self.now, tie, next(self._sequence), func, ())
        if self._is_running:
            self._soon.append(entry)
        else:
            self._push(entry)

    def next_at(self) -> float | None:
        """Return when something will happen next; None if nothing will."""
        self._settle()
        return self._queue.present[0][0] if self._queue.refill() else None

    # Hosts.

    def add_host(self, name: str, *addresses: str) -> Host:
        """Add a machine with its addresses, IPv4 or IPv6; it is up."""
        from rawserver.simulation.host import Host

        if name in self.hosts:
            raise ValueError(f"there is a host {name!r} already")
        host = self.hosts[name] = Host(self, name, addresses)
        return host

    def add_poller(self, poller: SimulatedPoller) -> None:
        """Note a poller that the world turns."""
        self._pollers[poller] = None

    def remove_poller(self, poller: SimulatedPoller) -> None:
        """Forget a poller."""
        self._pollers.pop(poller, None)

    # Time.

    def run(
        self,
        *,
        until: float | None = None,
        seconds: float | None = None,
        condition: Callable[[], object] | None = None,
    ) -> bool:
        """Have things happen until a time, for so long, or until something is so.

        Without a limit it ends when nothing is left to happen. Returns whether `condition()` came
        to hold; it is asked before the first event and after each.
        """
        if seconds is not None:
            until = min(self.now + seconds, until if until is not None else self.now + seconds)
        # Tasks may have been added while the world stood still.
        for poller in tuple(self._pollers):
            poller.turn_when_due()
        if condition is not None and condition():
            return True
        with self.guard, rare_collections(len(self.hosts)):
            held = self._run(float("inf") if until is None else until, condition)
        if not held and until is not None and until > self.now:
            self.now = until
        return held

    def _run(self, until: float, condition: Callable[[], object] | None) -> bool:
        queue, soon = self._queue, self._soon
        present = queue.present
        was_running, self._is_running = self._is_running, True
        events = before = self.events
        try:
            while (present or queue.refill()) and present[0][0] <= until:
                at, _, _, func, args = heappop(present)
                self.now = at
                events += 1
                func(*args)
                while soon:
                    if len(soon) > 1 or (present and present[0][0] <= self.now):
                        self._settle()
                        break
                    if condition is not None and condition():
                        return True
                    events += 1
                    soon.pop()[3]()
                if condition is not None and condition():
                    return True
            return False
        finally:
            self.events += events - before
            self._is_running = was_running
            self._settle()

    def _settle(self) -> None:
        """Have the queue take what is due at once."""
        for entry in self._soon:
            self._push(entry)
        self._soon.clear()

    def step(self) -> None:
        """Have the next thing happen."""
        self._settle()
        self._queue.refill()
        at, _, _, func, args = heappop(self._queue.present)
        self.now = at
        self.events += 1
        func(*args)
        self._settle()

    def pass_by(self, seconds: float) -> None:
        """Have that happen which is due within so many seconds, which pass."""
        until = self.now + seconds
        while (at := self.next_at()) is not None and at <= until:
            self.step()
        if until > self.now:
            self.now = until
