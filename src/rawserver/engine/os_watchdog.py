"""A thread that tells what holds up the loop, while it does."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import FrameType
from typing import TYPE_CHECKING

from rawserver.engine.turn_times import name_of

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer

# A call that is too long is seen within so much of the threshold more.
LOOKS_PER_THRESHOLD = 4
MOST_FRAMES = 30


class Watchdog:
    """Reports each call of a handler or task that lasts longer than `threshold` seconds.

    It says which, for how long so far, and where in the code it is. It costs the loop nothing: it
    looks on from a thread of its own, in real time.
    """

    def __init__(self, raw_server: RawServer, threshold: float) -> None:
        if threshold <= 0.0:
            raise ValueError(f"a call cannot last {threshold:g} seconds")
        self._raw_server = raw_server
        self._threshold = threshold
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rawserver-watchdog", daemon=True)
        # What was told of last, so that one call is told of once.
        self._told: tuple[int, int] | None = None
        # How many calls were too long.
        self.seen = 0

    def start(self) -> None:
        """Begin to look on."""
        self._thread.start()

    def stop(self) -> None:
        """Look on no more."""
        self._stopped.set()

    def _run(self) -> None:
        looks = 0
        before: tuple[int, int] | None = None
        interval = self._threshold / LOOKS_PER_THRESHOLD
        while not self._stopped.wait(interval):
            call = self._call()
            looks = looks + 1 if call is not None and call == before else 0
            before = call
            if looks >= LOOKS_PER_THRESHOLD and call != self._told:
                self._told = call
                self._tell(looks * interval)

    def _call(self) -> tuple[int, int] | None:
        """Tell one call of the loop from all others."""
        times = self._raw_server.times
        running = times.running
        return None if running is None else (times.turns, id(running))

    def _tell(self, seconds: float) -> None:
        thread = self._raw_server.thread
        frame = None if thread is None else sys._current_frames().get(thread)
        running = self._raw_server.times.running
        if frame is None or running is None:
            return  # it has ended meanwhile
        self.seen += 1
        if seconds > self._raw_server.times.longest:
            self._raw_server.times.note_longest(running, seconds)
        self._raw_server.report(
            logging.WARNING,
            f"{name_of(running)} has held up the loop for {seconds:.2g} seconds:\n{_stack(frame)}",
        )


def _stack(frame: FrameType) -> str:
    return "".join(traceback.format_stack(frame, MOST_FRAMES)).rstrip()
