"""What other threads hand to the loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from rawserver.engine.network import Wakeup


class Letter(NamedTuple):
    """A task that has not been added yet; `delay` in seconds from when it is taken."""

    func: Callable[..., object]
    delay: float
    args: tuple[Any, ...]
    context: Any


class Mailbox:
    """A queue that any thread adds to, and that wakes the loop: once, however much is in it."""

    def __init__(self, wakeup: Wakeup, deliver: Callable[..., object]) -> None:
        self.wakeup = wakeup
        self._deliver = deliver
        self._letters: deque[Letter] = deque()
        self._woken = False
        self._closed = False

    def add(self, letter: Letter) -> None:
        """Hand something over, from any thread. Nothing once the loop has ended."""
        if self._closed:
            return
        self._letters.append(letter)
        if not self._woken:
            self._woken = True
            self.wakeup.wake()

    def ready(self, events: int) -> None:
        """Deliver what is there; called by the loop."""
        self.wakeup.drain()
        # First this, then the count: who adds after it wakes us again. What threads add while
        # this delivers is left for the next turn, so that they cannot hold the loop here.
        self._woken = False
        for _ in range(len(self._letters)):
            self._deliver(*self._letters.popleft())

    def close(self) -> None:
        """Take nothing any more."""
        self._closed = True
        self._letters.clear()
        self.wakeup.close()
