"""What makes a simulated poll return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rawserver.simulation.description import READABLE, Description

if TYPE_CHECKING:
    from rawserver.simulation.kernel import Kernel


class SimulatedWakeup(Description):
    """A descriptor that is readable from `wake` to `drain`. Any number of wakes is one event."""

    __slots__ = ("_woken",)

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._woken = False
        self.open()

    def poll_events(self) -> int:
        return READABLE if self._woken else 0

    def wake(self) -> None:
        """Make the poll return; nothing once closed."""
        if self.descriptor >= 0:
            self._woken = True
            self.changed()

    def drain(self) -> None:
        """Take back all wakes so far."""
        self._woken = False

    def close(self) -> None:
        """Be no descriptor any more."""
        self.release()
