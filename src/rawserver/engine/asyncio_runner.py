"""asyncio's event loop on a RawServer: one thread, one poller, one clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from rawserver.engine.asyncio_selector import RawServerSelector
from rawserver.engine.network import READABLE
from rawserver.engine.rawserver import RawServer

T = TypeVar("T")


class EventLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, whose every wait is a turn of `raw_server`.

    Closing it leaves the RawServer as it is. Its clock is that of the RawServer's network.
    """

    def __init__(self, raw_server: RawServer) -> None:
        self.raw_server = raw_server
        self._network_time = raw_server.network.time
        # Nothing new is begun any more, because the program has ended.
        self.ending = False
        super().__init__(RawServerSelector(raw_server))

    def time(self) -> float:
        """Return seconds of the network's clock."""
        return self._network_time()


def new_event_loop(raw_server: RawServer) -> EventLoop:
    """Return an asyncio event loop that turns a RawServer while it runs.

    Tasks and handlers of the RawServer are called between asyncio's callbacks. They may use the
    loop (`call_soon`, `create_task`), and coroutines the RawServer, as it is one thread. While
    this loop runs nothing else may turn the RawServer.
    """
    return EventLoop(raw_server)


def running_loop(raw_server: RawServer) -> EventLoop:
    """Return the running loop; RuntimeError if it is not one that turns this RawServer."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, EventLoop) or loop.raw_server is not raw_server:
        raise RuntimeError("the running loop does not turn this RawServer: see new_event_loop")
    return loop


def run(
    main: Coroutine[Any, Any, T], raw_server: RawServer | None = None, *, debug: bool | None = None
) -> T | None:
    """Run a coroutine beside a RawServer's handlers, then end both; return what it returned.

    Setting the RawServer's `doneflag`, from any thread or signal, cancels the coroutine; then
    None is returned. ^C does as in `asyncio.run`, unless `install_sigint_handler` came first.
    Afterwards all other asyncio tasks are cancelled, while the RawServer still turns so that they
    can say good-bye, and the RawServer is closed: every connection hears `connection_lost`.
    `raw_server` None is one of its own.
    """
    if not asyncio.iscoroutine(main):
        raise ValueError(f"a coroutine was expected, got {main!r}")
    if asyncio._get_running_loop() is not None:
        main.close()
        raise RuntimeError("run() cannot be called from a running event loop")
    server = RawServer() if raw_server is None else raw_server
    try:
        with asyncio.Runner(debug=debug, loop_factory=lambda: EventLoop(server)) as runner:
            return runner.run(_until_done(main, server))
    finally:
        server.close()


async def _until_done(main: Coroutine[Any, Any, T], raw_server: RawServer) -> T | None:
    loop = running_loop(raw_server)
    task = asyncio.current_task()
    assert task is not None
    watch = DoneWatch(raw_server, task)
    try:
        return await main
    except asyncio.CancelledError:
        if not watch.has_cancelled:
            raise
        return None
    finally:
        watch.close()
        loop.ending = True


class DoneWatch:
    """Cancels an asyncio task when the RawServer's `doneflag` is set."""

    def __init__(self, raw_server: RawServer, task: asyncio.Task[Any]) -> None:
        self.has_cancelled = False
        self._raw_server = raw_server
        self._task = task
        # The RawServer's own wake-up serves tasks from other threads, and nobody else hears it.
        self._wakeup = raw_server.network.make_wakeup()
        raw_server.register(self._wakeup.fileno(), self, READABLE)
        self._stop_watching = raw_server.network.watch(raw_server.doneflag, self._wakeup)

    def ready(self, events: int) -> None:
        """Cancel, once; called by the RawServer."""
        self._wakeup.drain()
        if self._raw_server.doneflag.is_set() and not self.has_cancelled:
            self.has_cancelled = True
            self._task.cancel()

    def close(self) -> None:
        """Watch no more."""
        self._stop_watching()
        self._raw_server.unregister(self._wakeup.fileno(), self)
        self._wakeup.close()
