"""What ends a loop when it is set."""

from __future__ import annotations

import threading

from rawserver.engine.network import Wakeup


class DoneFlag(threading.Event):
    """An event that wakes the loops that it ends when it is set, from any thread or signal.

    A plain `threading.Event` does as well, but has to be waited for by a thread of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._wakeups: list[Wakeup] = []

    def set(self) -> None:
        """End the loops."""
        super().set()
        for wakeup in tuple(self._wakeups):
            wakeup.wake()

    def watch(self, wakeup: Wakeup) -> None:
        """Have a wake-up woken when this is set, or now if it is."""
        self._wakeups.append(wakeup)
        if self.is_set():
            wakeup.wake()

    def forget(self, wakeup: Wakeup) -> None:
        """Wake it no more; nothing if it was not watched."""
        if wakeup in self._wakeups:
            self._wakeups.remove(wakeup)
