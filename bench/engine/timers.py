"""A loop with many pending tasks: `python -m bench.engine.timers NAME COUNT`.

Prints CPU nanoseconds for each: to add a task, to cancel it, and to run it when it is due.
"""

import random
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

# Far enough that all are added before the first is due.
FIRST_DUE_SECONDS = 2.0
SPREAD_SECONDS = 0.2


class Cancellable(Protocol):
    """What adding gives."""

    def cancel(self) -> Any: ...


class Timers(Protocol):
    """A loop, as far as this needs it."""

    def add(self, delay: float, func: Callable[[], None]) -> Cancellable: ...
    def turn_once(self) -> None: ...
    def run(self) -> None: ...
    def stop(self) -> None: ...


class RawServerTimers:
    """RawServer's tasks."""

    def __init__(self) -> None:
        from rawserver import RawServer

        self._server = RawServer()
        self.run = self._server.listen_forever
        self.stop = self._server.doneflag.set

    def add(self, delay: float, func: Callable[[], None]) -> Cancellable:
        return self._server.add_task(func, delay)

    def turn_once(self) -> None:
        self._server.listen_once(0.0)


class AsyncioTimers:
    """`call_later` of a loop of asyncio's interface."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.run = loop.run_forever
        self.stop = loop.stop

    def add(self, delay: float, func: Callable[[], None]) -> Cancellable:
        handle: Cancellable = self._loop.call_later(delay, func)
        return handle

    def turn_once(self) -> None:
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()


def make(name: str) -> Timers:
    """Return a loop by its name."""
    if name == "rawserver":
        return RawServerTimers()
    if name == "uvloop":
        import uvloop

        return AsyncioTimers(uvloop.new_event_loop())
    import asyncio

    return AsyncioTimers(asyncio.new_event_loop())


def measure(timers: Timers, count: int) -> tuple[float, float, float]:
    """Return CPU seconds to add, cancel and run `count` tasks."""
    chance = random.Random(count)
    delays = [FIRST_DUE_SECONDS + chance.random() * SPREAD_SECONDS for _ in range(count)]

    def nothing() -> None:
        pass

    began = time.process_time()
    tasks = [timers.add(delay, nothing) for delay in delays]
    added = time.process_time() - began
    chance.shuffle(tasks)
    began = time.process_time()
    for task in tasks:
        task.cancel()
    timers.turn_once()  # some do the work only then
    cancelled = time.process_time() - began

    left = count

    def fire() -> None:
        nonlocal left
        left -= 1
        if not left:
            timers.stop()

    for delay in delays:
        timers.add(delay, fire)
    began = time.process_time()
    timers.run()
    return added, cancelled, time.process_time() - began


def main(name: str, count: int) -> None:
    """Measure and print."""
    each = [seconds / count * 1e9 for seconds in measure(make(name), count)]
    print("figures", *(f"{figure:.1f}" for figure in each), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
