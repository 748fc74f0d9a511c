"""The simulated poller, and with it when a RawServer is turned."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

from rawserver.engine.rawserver import RawServer
from rawserver.simulation.description import ERROR, HANG_UP, Description, error_of

if TYPE_CHECKING:
    from rawserver.simulation.connection import Connection
    from rawserver.simulation.kernel import Kernel

# Doubles of some thousand seconds are exact to 1e-12: a task that is due is so at this past it.
_PAST_DUE = 1e-9
_ALWAYS = ERROR | HANG_UP


class SimulatedPoller:
    """Level-triggered readiness, with the events of epoll and in an order that the seed decides.

    One that has been given its RawServer by `drive` is turned by the world. Another is polled from
    outside, and drives the world itself: things happen while it waits.
    """

    __slots__ = (
        "_candidates", "_due", "_found", "_free_at", "_host", "_is_soon", "_kernel", "_meter",
        "_paused", "_pending", "_random", "_raw_server", "_readers", "_tie", "_turning", "_wanted",
        "_world",
    )  # fmt: skip

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._host = kernel.host
        self._meter = kernel.host.meter
        self._world = kernel.world
        self._random = kernel.random
        self._tie = kernel.random.random()
        self._raw_server: RawServer | None = None
        # What is asked for, with what is always told.
        self._wanted: dict[int, int] = {}
        # Those that may be ready. Whoever is not here is not ready.
        self._candidates: dict[int, Description] = {}
        # What the turn that is being made is about.
        self._found: list[tuple[int, int]] = []
        # The times at which the world will call, a heap; when the RawServer wants to be turned
        # though nothing is ready; when the last turn is over.
        self._pending: list[float] = []
        # Those whose acknowledgement waits for what the turn that is due now says.
        self._readers: list[Connection] = []
        self._due = inf
        self._free_at = 0.0
        self._turning = self._is_soon = False
        self._paused = False

    # What is polled.

    def register(self, descriptor: int, events: int) -> None:
        description = self._kernel.descriptors.get(descriptor)
        if descriptor in self._wanted:
            raise error_of(errno.EEXIST)
        self._wanted[descriptor] = events | _ALWAYS
        description.watchers += (self,)
        self._look_at(description)

    def modify(self, descriptor: int, events: int) -> None:
        description = self._kernel.descriptors.get(descriptor)
        if descriptor not in self._wanted:
            raise error_of(errno.ENOENT)
        self._wanted[descriptor] = events | _ALWAYS
        self._candidates.pop(descriptor, None)
        self._look_at(description)

    def unregister(self, descriptor: int) -> None:
        # Who closed it first made us forget it.
        if descriptor in self._wanted:
            self.forget(self._kernel.descriptors.get(descriptor))
        self._touched()

    def forget(self, description: Description) -> None:
        """Poll a description no more; called when it is closed."""
        descriptor = description.descriptor
        self._wanted.pop(descriptor, None)
        self._candidates.pop(descriptor, None)
        description.watchers = tuple(one for one in description.watchers if one is not self)

    def _look_at(self, description: Description) -> None:
        self.changed(description)
        self._touched()

    def _touched(self) -> None:
        # Somebody used a RawServer of the world's from outside its turns: it may have tasks now.
        if self._raw_server is not None and not self._turning:
            self._call_at(self._world.now)
            self._due = min(self._due, self._world.now)

    def changed(self, description: Description) -> None:
        """Note that a description may have become ready."""
        descriptor = description.descriptor
        if descriptor not in self._candidates:
            if description.poll_events() & self._wanted[descriptor]:
                self._candidates[descriptor] = description
                if self._raw_server is not None and not self._turning:
                    self._call_soon()

    def answers_soon(self, connection: Connection) -> bool:
        """Acknowledge what came on a connection after the turn that is about to read it.

        What that turn says acknowledges it, too. False, and nothing is done, if none is due now.
        """
        if not self._is_soon or self._paused:
            return False
        self._readers.append(connection)
        return True

    def _acknowledge(self) -> None:
        readers, self._readers = self._readers, []
        for connection in readers:
            connection.acknowledge_rest()

    # Polling.

    def poll(self, timeout_seconds: float | None) -> Sequence[tuple[int, int]]:
        if self._turning:
            return self._found
        world = self._world
        deadline = inf if timeout_seconds is None else world.now + timeout_seconds
        world.pass_by(self._host.turn_seconds + self._meter.take())
        while True:
            if self._candidates:
                found = self._take()
                if found:
                    return found
            at = world.next_at()
            if at is None or at > deadline:
                break
            world.step()
        if deadline == inf:
            raise RuntimeError("nothing is left to happen: this poll would wait for ever")
        if deadline > world.now:
            world.now = deadline
        return self._take()

    def _take(self) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        candidates, wanted = self._candidates, self._wanted
        if not candidates:
            return found
        # A copy: threads of a test may wake it meanwhile.
        for descriptor, description in [*candidates.items()]:
            events = description.poll_events() & wanted[descriptor]
            if events:
                found.append((descriptor, events))
            else:
                del candidates[descriptor]
        if len(found) > 1:
            self._random.shuffle(found)
        return found

    def close(self) -> None:
        """Poll nothing any more."""
        self._raw_server = None
        for descriptor in list(self._wanted):
            self.forget(self._kernel.descriptors.get(descriptor))
        self._world.remove_poller(self)

    # Turning.

    def drive(self, raw_server: RawServer) -> None:
        """Have the world turn a RawServer from now on."""
        self._raw_server = raw_server
        self._world.add_poller(self)
        self.turn_when_due()

    @property
    def is_driven(self) -> bool:
        """Whether the world turns it."""
        return self._raw_server is not None

    def stop(self) -> None:
        """Make no turn ever again, whatever is left of its RawServer."""
        self._raw_server = None
        self._world.remove_poller(self)

    def pause(self) -> None:
        """Make no turn until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Make turns again."""
        self._paused = False
        if self._raw_server is not None:
            self._call_at(self._world.now)

    def turn_when_due(self) -> None:
        """Have the world call when the RawServer wants to be turned next."""
        raw_server = self._raw_server
        if raw_server is None:
            return
        now = self._world.now
        if self._has_ready():
            self._due = now
        else:
            timeout = raw_server._poll_timeout(None)
            if timeout is None:
                self._due = inf
                return
            # It counts from its last turn; the world may have been run anew since.
            self._due = max(now, raw_server._turned_at + timeout) + _PAST_DUE
        self._call_at(self._due)

    def _call_at(self, at: float) -> None:
        if at < self._free_at:
            at = self._free_at
        # What comes before it will look again when it comes.
        if not self._pending or at < self._pending[0]:
            heappush(self._pending, at)
            self._world.call_at(at, self._tie, self._called)

    def _call_soon(self) -> None:
        now = self._world.now
        if now < self._free_at:
            self._call_at(now)
        elif not self._is_soon and not (self._pending and self._pending[0] <= now):
            self._is_soon = True
            self._world.call_soon(self._tie, self._soon)

    def _soon(self) -> None:
        self._is_soon = False
        self._look()
        if self._readers:
            self._acknowledge()

    def _called(self) -> None:
        heappop(self._pending)
        self._look()

    def _look(self) -> None:
        raw_server = self._raw_server
        if raw_server is None or self._paused:
            return
        now = self._world.now
        if now < self._free_at:
            self._call_at(now)
        elif (found := self._take()) or now >= self._due:
            self._turn(raw_server, found)
        elif self._due < inf:
            self._call_at(self._due)

    def _turn(self, raw_server: RawServer, found: list[tuple[int, int]]) -> None:
        meter = self._meter
        meter.take()  # what somebody else spent
        self._found = found
        self._turning = True
        try:
            raw_server.listen_once(0.0)
        finally:
            self._turning = False
            self._free_at = self._world.now + self._host.turn_seconds + meter.take()
        if raw_server.doneflag.is_set():
            raw_server.close()
        else:
            self.turn_when_due()

    def _has_ready(self) -> bool:
        candidates, wanted = self._candidates, self._wanted
        if not candidates:
            return False
        for descriptor, description in [*candidates.items()]:
            if description.poll_events() & wanted[descriptor]:
                return True
            del candidates[descriptor]
        return False
