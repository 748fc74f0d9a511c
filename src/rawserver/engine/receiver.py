"""What a listener and a datagram socket have in common: polled for reading, or at rest."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rawserver.engine.network import READABLE
from rawserver.engine.task import Task

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer


class Receiver:
    """A descriptor that is read when it is ready, and left alone for a while after a fault.

    One that has something to give stays ready when the system has no room to take it: trying on
    would spin. `descriptor` is -1 once it is stopped.
    """

    __slots__ = ("_paused", "_purpose", "_raw_server", "_rest", "_told", "descriptor")

    def __init__(self, raw_server: RawServer, descriptor: int, purpose: str) -> None:
        """`purpose` completes the sentence "cannot ..." in what is reported."""
        self.descriptor = descriptor
        self._raw_server = raw_server
        self._purpose = purpose
        self._rest: Task | None = None
        self._paused = False
        self._told = False
        raw_server.register(descriptor, self, READABLE)

    def ready(self, events: int) -> None:
        """Take what has come; called by the loop."""
        raise NotImplementedError

    @property
    def is_reading(self) -> bool:
        """Whether it is neither stopped nor paused nor resting."""
        return self.descriptor >= 0 and self._rest is None and not self._paused

    def pause_reading(self) -> None:
        """Take nothing until `resume_reading`; what comes waits in the system."""
        if self.is_reading:
            self._raw_server.unregister(self.descriptor, self)
        self._paused = True

    def resume_reading(self) -> None:
        """Take again what comes."""
        if self._paused:
            self._paused = False
            self._register()

    def _register(self) -> None:
        if self.is_reading:
            self._raw_server.register(self.descriptor, self, READABLE)

    def went_well(self) -> None:
        """Note that something was taken: the next fault is told again."""
        self._told = False

    def rest(self, error: OSError) -> None:
        """Take nothing for a while, and say why, once until something goes well."""
        seconds = self._raw_server.config.accept_pause
        if not self._told:
            self._told = True
            text = f"cannot {self._purpose}, trying every {seconds:g} s: {error}"
            self._raw_server.report(logging.ERROR, text)
        if self.is_reading:
            self._raw_server.unregister(self.descriptor, self)
            self._rest = self._raw_server.add_task(self._go_on, seconds)

    def _go_on(self) -> None:
        self._rest = None
        self._register()

    def stop(self) -> None:
        """Take nothing more; the socket stays open."""
        if self.descriptor < 0:
            return
        if self.is_reading:
            self._raw_server.unregister(self.descriptor, self)
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        self.descriptor = -1
