"""One RawServer run by a command, from the first task to the exit."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import ParamSpec

from rawserver.cli.output import Output
from rawserver.engine import RawServer

Parameters = ParamSpec("Parameters")

SECOND_INTERRUPT_EXIT_CODE = 130
# How soon ^C and a lost stdout are seen. A signal handler does no more than count: it may run
# in the midst of anything.
LOOK_SECONDS = 0.1


class Session:
    """Runs a loop until the command says `finish`; raises what it was finished with.

    The first ^C (or SIGTERM) calls what `run` was given, which ends things in order; the second
    ends the process at once. `failed(error)` is called for an error in what the command runs in
    the loop; by default it ends the session.
    """

    def __init__(
        self, output: Output, failed: Callable[[BaseException], None] | None = None
    ) -> None:
        self.output = output
        self.failed = failed or self.finish
        self.raw_server = RawServer(errorfunc=self._log)
        self.raw_server.add_context(self)
        self._error: BaseException | None = None
        self._interrupts = 0
        self._interrupt_is_handled = False
        self._interrupted: Callable[[], None] = self.finish

    @property
    def now(self) -> float:
        """The loop's monotonic time in seconds."""
        return self.raw_server.network.time()

    def guarded(self, func: Callable[Parameters, None]) -> Callable[Parameters, None]:
        """Return `func` such that an error in it ends the session, in place of a traceback."""

        def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
            try:
                func(*args, **kwargs)
            except Exception as error:
                self.failed(error)

        return call

    def soon(self, func: Callable[[], None]) -> None:
        """Call `func` in the next turn of the loop."""
        self.raw_server.add_task(self.guarded(func), 0, (), self)

    def every(self, seconds: float, func: Callable[[], None]) -> None:
        """Call `func` in the loop every so many seconds until the session ends."""
        call = self.guarded(func)

        def again() -> None:
            self.raw_server.add_task(again, seconds, (), self)
            call()

        self.raw_server.add_task(again, seconds, (), self)

    def finish(self, error: BaseException | None = None) -> None:
        """End the loop; `run` then raises `error`, if there is one."""
        if not self.raw_server.doneflag.is_set():
            self._error = error
            self.raw_server.doneflag.set()

    def run(self, interrupted: Callable[[], None]) -> None:
        """Turn the loop until `finish`; `interrupted()` is called in it at the first ^C."""
        self._interrupted = self.guarded(interrupted)
        self.every(LOOK_SECONDS, self._look)
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._got_signal) for number in signals]
        try:
            self.raw_server.listen_forever()
        finally:
            for number, handler in zip(signals, before, strict=True):
                signal.signal(number, handler)
            self.output.live.finish()
        if self._error is not None:
            raise self._error
        self.output.close()

    def _got_signal(self, number: int, frame: FrameType | None) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            os._exit(SECOND_INTERRUPT_EXIT_CODE)

    def _look(self) -> None:
        broken = self.output.broken is not None
        if (self._interrupts or broken) and not self._interrupt_is_handled:
            self._interrupt_is_handled = True
            self._interrupted()

    def _log(self, level: int, text: str) -> None:
        if level >= logging.WARNING:
            self.output.note(text)
