"""One node, for one direction, of a tree of token buckets: bytes pass when all above have tokens.

Nothing is queued here but who waits. Each node has a ring of the children that could be served if
it had tokens; they take turns by deficit round robin, so siblings have equal shares in bytes
however many wait beneath them. The root's task serves; a node whose own tokens have run out leaves
its parent's ring until its timer finds it refilled, so its siblings use what it cannot.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import inf, isfinite
from typing import Protocol

# Less than this is not worth a call of the system and a packet: nobody is served less in turn.
LEAST_ALLOWANCE = 512
# What one Ethernet packet carries of a TCP stream.
SEGMENT = 1448
# What one turn in the ring is worth. With a thousandth of a second fifty siblings have had theirs
# while a bucket with a lower rate of its own goes from half a burst, at which it comes back, to a
# whole one: it loses nothing by waiting for its turn. A turn is a full packet at least, but not
# so much that it holds a slow bucket for long.
QUANTUM_SECONDS = 0.001
LONGEST_QUANTUM_SECONDS = 0.05
# What a connection reads at once when it is not limited: more saves no calls.
MOST_QUANTUM = 64 * 1024
# Tokens beyond this are lost: what a timer may be late, and what may pass at once after a rest.
BURST_SECONDS = 0.1
# Room for a turn's packet to gather while the one before it waits for its turn.
LEAST_BURST = 2048
# One turn of the loop serves so often, 4 MiB at most, so that others are not held up.
SERVES_PER_RUN = 64


class Cancellable(Protocol):
    """A task that may yet be cancelled."""

    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """What a bucket needs of the loop; RawServer is one."""

    @property
    def now(self) -> float:
        """The time of this turn in seconds."""

    def add_task(self, func: Callable[..., object], delay: float = ..., /) -> Cancellable:
        """Call `func()` from the loop in `delay` seconds, never from within this call."""


class Leaf(Protocol):
    """One direction of a connection; hashable by identity."""

    def serve(self, allowance: int) -> tuple[int, bool]:
        """Pass at most `allowance` bytes now; return the bytes passed, and whether more would.

        True as long as there may be more: it has a share of this run only while it stays. Who
        would have to wait for the system says False, and waits again when it is ready. True with
        0 bytes is asked again soon. The answer is the last word, unless the leaf has left.

        It may call handlers, and change the tree in any way. If it raises, it waits no more, and
        all that it was allowed is taken as passed.
        """


class RateBucket:
    """A node: `rate` in bytes per second (None: no limit), `burst` in bytes, under `parent`.

    A new limit begins with a full bucket. In any span of t seconds at most rate * t + burst bytes
    pass, and in the long run, while somebody waits, exactly rate * t.
    """

    __slots__ = (
        "_filled_at", "_quantum", "_refill", "_ring", "_run_task", "_running", "_scheduler",
        "_tokens", "burst", "parent", "rate",
    )  # fmt: skip

    def __init__(
        self,
        scheduler: Scheduler,
        rate: float | None = None,
        parent: RateBucket | None = None,
        burst: float | None = None,
    ) -> None:
        self._scheduler = scheduler
        self.parent = parent
        # Children to be served, in their order, with the bytes that are left of their turns. A
        # plain dict would seek its first entry through all that were deleted before it.
        self._ring: OrderedDict[Leaf | RateBucket, int] = OrderedDict()
        # Due when there are tokens again; set while somebody waits and they have run out.
        self._refill: Cancellable | None = None
        # The root's next run; set while it has tokens and somebody to serve.
        self._run_task: Cancellable | None = None
        self._running = False
        self._tokens = 0.0
        self._filled_at = scheduler.now
        self.rate: float | None = None
        self.burst = inf
        self._quantum = MOST_QUANTUM
        self.set_rate(rate, burst)

    @property
    def tokens(self) -> float:
        """Bytes that may pass now, as far as this bucket is asked; below 0 when overdrawn."""
        if self.rate is None:
            return inf
        self._fill()
        return self._tokens

    @property
    def waiting(self) -> int:
        """How many of its children wait for a turn here."""
        return len(self._ring)

    def set_rate(self, rate: float | None, burst: float | None = None) -> None:
        """Change the limit, at once for those who wait; ValueError unless above 0 and finite.

        `burst` is a tenth of a second's worth by default, and never less than LEAST_BURST.
        """
        check_rate(rate)
        check_rate(burst)
        had_limit = self.rate is not None
        if had_limit:
            self._fill()
        self._filled_at = self._scheduler.now
        self.rate = rate
        if rate is None:
            self.burst, self._quantum = inf, MOST_QUANTUM
        else:
            self.burst = max(rate * BURST_SECONDS if burst is None else burst, LEAST_BURST)
            self._tokens = min(self._tokens, self.burst) if had_limit else self.burst
            packet = max(LEAST_ALLOWANCE, min(SEGMENT, rate * LONGEST_QUANTUM_SECONDS))
            self._quantum = int(min(max(packet, rate * QUANTUM_SECONDS), MOST_QUANTUM))
        self._stop_refill()
        self._settle()

    def move(self, parent: RateBucket | None) -> None:
        """Go under another parent with all who wait here; ValueError if that is beneath this."""
        above = parent
        while above is not None:
            if above is self:
                raise ValueError("a bucket cannot be moved beneath itself")
            above = above.parent
        self._withdraw()
        self.parent = parent
        self._settle()

    # Out of turn.

    def take(self, count: int) -> int:
        """Take leave to pass up to `count` bytes now; returns how many, 0 when it must wait.

        Where somebody waits for the tokens of a bucket on the way up, nobody is let past him.
        """
        bucket: RateBucket | None = self
        while bucket is not None:
            if bucket.rate is not None:
                if bucket._ring:
                    return 0
                bucket._fill()
                if bucket._tokens < count:
                    count = int(bucket._tokens)
            bucket = bucket.parent
        if count <= 0:
            return 0
        self._charge(count)
        return count

    def give_back(self, count: int) -> None:
        """Return what was taken and did not pass."""
        self._charge(-count)

    def _charge(self, count: int) -> None:
        bucket: RateBucket | None = self
        while bucket is not None:
            if bucket.rate is not None:
                bucket._tokens = min(bucket._tokens - count, bucket.burst)
            bucket = bucket.parent

    # In turn.

    def wait(self, leaf: Leaf) -> None:
        """Have a leaf served from the loop when its turn comes; nothing if it waits already."""
        if leaf not in self._ring:
            self._ring[leaf] = 0
            if len(self._ring) == 1:
                self._settle()

    def leave(self, leaf: Leaf) -> None:
        """Serve a leaf no more, until it waits again; nothing if it does not wait."""
        if self._ring.pop(leaf, None) is not None and not self._ring:
            self._settle()

    def _settle(self) -> None:
        """Rest, or wait for tokens, or for a turn above: whichever the ring and tokens ask."""
        if not self._ring:
            self._stop_refill()
            self._withdraw()
        elif self.tokens < LEAST_ALLOWANCE:
            self._withdraw()
            if self._refill is None:
                self._refill = self._scheduler.add_task(self._refilled, self._seconds_to_refill())
        else:
            self._stop_refill()
            self._enter()

    def _enter(self) -> None:
        parent = self.parent
        if parent is None:
            if self._run_task is None and not self._running:
                self._run_task = self._scheduler.add_task(self._run, 0.0)
        elif self not in parent._ring:
            parent._ring[self] = 0
            if len(parent._ring) == 1:
                parent._settle()

    def _withdraw(self) -> None:
        parent = self.parent
        if parent is None:
            if self._run_task is not None:
                self._run_task.cancel()
                self._run_task = None
        elif parent._ring.pop(self, None) is not None and not parent._ring:
            parent._settle()

    # Tokens.

    def _fill(self) -> None:
        now = self._scheduler.now
        if now > self._filled_at:
            assert self.rate is not None
            self._tokens = min(self._tokens + self.rate * (now - self._filled_at), self.burst)
            self._filled_at = now

    def _seconds_to_refill(self) -> float:
        # Half a burst: then twenty timers a second do, and one may be late by the other half.
        assert self.rate is not None
        return (self.burst / 2 - self._tokens) / self.rate

    def _stop_refill(self) -> None:
        if self._refill is not None:
            self._refill.cancel()
            self._refill = None

    def _refilled(self) -> None:
        self._refill = None
        if self.parent is None:
            self._run()
        else:
            self._settle()

    # The root.

    def _run(self) -> None:
        self._run_task = None
        self._running = True
        try:
            for _ in range(SERVES_PER_RUN):
                # A leaf may have moved this bucket under another.
                if not self._ring or self._refill is not None or self.parent is not None:
                    break
                self._serve_next()
        finally:
            self._running = False
            self._settle()

    def _serve_next(self) -> None:
        path: list[tuple[RateBucket, Leaf | RateBucket]] = []
        allowance: float = inf
        quantum = MOST_QUANTUM
        child: Leaf | RateBucket = self
        while isinstance(child, RateBucket):
            bucket = child
            # A turn is no longer than the slowest above makes it: who has no limit has no speed.
            quantum = min(quantum, bucket._quantum)
            allowance = min(allowance, bucket.tokens)
            child = next(iter(bucket._ring))
            left = bucket._ring[child]
            if left < LEAST_ALLOWANCE:
                left += quantum
                bucket._ring[child] = left
            allowance = min(allowance, left)
            path.append((bucket, child))
        # What a leaf that fails has passed is not known, nor whether it can go on.
        used, wants_more = int(allowance), False
        try:
            used, wants_more = child.serve(used)
        finally:
            if not wants_more:
                bucket._ring.pop(child, None)
            for bucket, child in reversed(path):
                bucket._served(child, used)

    def _served(self, child: Leaf | RateBucket, used: int) -> None:
        """Charge what passed through a child, and end its turn if that was all of it."""
        if self.rate is not None:
            self._tokens -= used
        left = self._ring.get(child)
        if left is not None:
            left = max(left - used, 0)
            self._ring[child] = left
            # Who used nothing is passed over, or all others might wait for him for ever.
            if left < LEAST_ALLOWANCE or not used:
                self._ring.move_to_end(child)
        self._settle()


def check_rate(rate: float | None) -> None:
    """Raise ValueError unless it is None or above 0 and finite."""
    if rate is not None and not (rate > 0 and isfinite(rate)):
        raise ValueError(f"not a number of bytes above 0, nor None for no limit: {rate}")
