"""The limit on what is sent: peers wait in a ring, a block each in turn, none is queued."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rawserver.engine import RawServer, Task
from rawserver.swarm.token_bucket import TokenBucket


class Waiting(Protocol):
    """What stands in the ring: a peer whose turn will come."""

    closed: bool


class UploadLimiter:
    """Shares `rate` bytes per second (0: no limit) fairly among those who wait."""

    def __init__(self, raw_server: RawServer, rate: int) -> None:
        self._raw_server = raw_server
        self._bucket = TokenBucket(rate)
        self._ring: dict[Waiting, Callable[[], bool]] = {}
        self._task: Task | None = None

    @property
    def unlimited(self) -> bool:
        return self._bucket.rate == 0

    def wait(self, waiting: Waiting, send_one: Callable[[], bool]) -> None:
        """Put one into the ring; `send_one` is called in its turn and says if it wants another."""
        self._ring.setdefault(waiting, send_one)
        if self._task is None:
            self._task = self._raw_server.add_task(self._run)

    def take(self, count: int) -> bool:
        """Take `count` bytes out of the bucket if they are there."""
        return self._bucket.take(count, self._raw_server.network.time())

    def _run(self) -> None:
        self._task = None
        while self._ring:
            delay = self._bucket.seconds_until_ready(self._raw_server.network.time())
            if delay > 0:
                self._task = self._raw_server.add_task(self._run, delay)
                return
            waiting = next(iter(self._ring))
            send_one = self._ring.pop(waiting)
            if not waiting.closed and send_one():
                self._ring[waiting] = send_one
