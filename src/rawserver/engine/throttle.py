"""Holding one connection to a rate, by reading and sending no more than it may."""

from __future__ import annotations

from typing import Any

from rawserver.engine.disk import File
from rawserver.engine.layer import Layer, Wire
from rawserver.engine.network import READABLE, WRITABLE
from rawserver.engine.rate_bucket import RateBucket
from rawserver.engine.rate_limit import RateLimit


class Direction:
    """A leaf in one of the trees of a rate limit: one direction of one connection.

    It is polled until it is ready, waits for its turn unpolled, and passes its allowance when that
    comes. So what it may not pass stays in the system's buffers, and holds back the peer.
    """

    __slots__ = ("_blocked", "_event", "_throttle", "allowance", "bucket", "waiting")

    def __init__(self, throttle: Throttle, event: int, bucket: RateBucket | None) -> None:
        self._throttle = throttle
        self._event = event
        self.bucket = bucket
        # What may pass now; None while it is not served.
        self.allowance: int | None = None
        self.waiting = False
        self._blocked = False

    def wait(self) -> None:
        """Be served when the turn comes."""
        if not self.waiting and self.bucket is not None:
            self.waiting = True
            self.bucket.wait(self)

    def leave(self) -> None:
        """Wait no more."""
        if self.waiting and self.bucket is not None:
            self.waiting = False
            self.bucket.leave(self)

    def change(self, bucket: RateBucket | None) -> None:
        """Go to another bucket, to wait there if it waited here."""
        waiting = self.waiting
        self.leave()
        self.bucket = bucket
        if waiting:
            self.wait()

    def serve(self, allowance: int) -> tuple[int, bool]:
        """Let bytes pass; called by the bucket."""
        bucket, more = self.bucket, False
        self.allowance = left = allowance
        self._blocked = False
        try:
            self._throttle.pass_on(self._event)
            left = self.allowance
            # Until the system has no more there may be more, whatever is read at once.
            more = left < allowance and not self._blocked and self.waiting
            more = more and bucket is self.bucket
        finally:
            self.allowance = None
            if not more:
                if bucket is self.bucket:
                    self.waiting = False
                self._throttle.poll()
        return allowance - left, more

    def granted(self, count: int) -> int:
        """Return how many of `count` bytes may pass now; BlockingIOError if none may."""
        if self.bucket is None or not count:
            return count
        if self.allowance is not None:
            count = min(count, self.allowance)
        else:
            count = self.bucket.take(count)
        if count <= 0:
            raise BlockingIOError
        return count

    def passed(self, granted: int, count: int) -> None:
        """Note how many of the granted bytes passed; none: the system has no more, or no room."""
        self._blocked = not count
        if self.bucket is None:
            return
        if self.allowance is not None:
            self.allowance -= count
        elif granted > count:
            self.bucket.give_back(granted - count)


class Throttle(Layer):
    """Lets no more bytes through, in either direction, than `rate` has for them."""

    __slots__ = ("_download", "_upload", "_wanted", "rate")

    def __init__(self, wire: Wire, rate: RateLimit) -> None:
        super().__init__(wire)
        self.rate: RateLimit | None = rate
        self._wanted = wire.events
        self._download = Direction(self, READABLE, rate.download)
        self._upload = Direction(self, WRITABLE, rate.upload)

    def change(self, rate: RateLimit | None) -> None:
        """Be held to another rate, or to none."""
        self.rate = rate
        self._download.change(None if rate is None else rate.download)
        self._upload.change(None if rate is None else rate.upload)
        if rate is None:
            self._download.waiting = self._upload.waiting = False
        self.poll()

    # Whose turn it is.

    @property
    def waits_to_send(self) -> bool:
        """Whether the one below would take more, but it is not our turn to send it."""
        return self._upload.waiting

    def want(self, events: int) -> None:
        """Have `above.ready` called when these can go on."""
        self._wanted = events
        if not events & READABLE:
            self._download.leave()
        if not events & WRITABLE:
            self._upload.leave()
        self.poll()

    def poll(self) -> None:
        """Be told by the one below of what is wanted and does not wait for its turn."""
        events = self._wanted
        if self._download.waiting:
            events &= ~READABLE
        if self._upload.waiting:
            events &= ~WRITABLE
        self.below.want(events)

    def ready(self, events: int) -> None:
        """Have what is ready wait for its turn; what has no limit goes on."""
        if self.rate is None:
            self.above.ready(events)
            return
        if events & READABLE & self._wanted:
            self._download.wait()
        if events & WRITABLE & self._wanted:
            self._upload.wait()
        self.poll()

    def pass_on(self, event: int) -> None:
        """Have the one above read or send what it is allowed; called by a direction."""
        if self._wanted & event:
            self.above.ready(event)

    def lost(self) -> None:
        """Wait for nothing any more."""
        self._download.leave()
        self._upload.leave()
        super().lost()

    # What passes.

    def recv(self, count: int) -> bytes:
        granted = self._download.granted(count)
        count = 0
        try:
            data = self.below.recv(granted)
            count = len(data)
        finally:
            self._download.passed(granted, count)
        return data

    def recv_into(self, buffer: Any) -> int:
        granted = self._download.granted(len(buffer))
        count = 0
        try:
            count = self.below.recv_into(memoryview(buffer)[:granted])
        finally:
            self._download.passed(granted, count)
        return count

    def send(self, data: Any, flags: int = 0) -> int:
        granted = self._upload.granted(len(data))
        count = 0
        try:
            count = self.below.send(memoryview(data)[:granted], flags)
        finally:
            self._upload.passed(granted, count)
        return count

    def sendmsg(self, buffers: Any, ancillary: Any = (), flags: int = 0) -> int:
        granted = self._upload.granted(sum(map(len, buffers)))
        count = 0
        try:
            count = self.below.sendmsg(_first(buffers, granted), ancillary, flags)
        finally:
            self._upload.passed(granted, count)
        return count

    def sendfile(self, file: File, offset: int, count: int) -> int:
        granted = self._upload.granted(count)
        count = 0
        try:
            count = self.below.sendfile(file, offset, granted)
        finally:
            self._upload.passed(granted, count)
        return count


def _first(buffers: Any, count: int) -> list[memoryview]:
    """Return the first `count` bytes of several pieces of memory."""
    first: list[memoryview] = []
    for buffer in buffers:
        if count <= 0:
            break
        part = memoryview(buffer)[:count]
        first.append(part)
        count -= len(part)
    return first
