"""How many connections may be in the making at once, and whose turn is next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol

# One turn of the loop begins so many; a system call or more each, while the others wait.
BEGUN_PER_TURN = 64

_URGENT = object()


class Beginnable(Protocol):
    """What waits for its turn. Between `begin` and `remove` it counts as half-open."""

    def begin(self) -> None: ...


class HalfOpenLimit:
    """Lets so many attempts be under way at once; the others wait for their turn.

    Turns go round among the contexts that have something waiting; within one, first come is first
    served. Urgent ones go before all others, in the order in which they came. Adding, beginning
    and removing cost the same however many wait. `limit` None is without limit.
    """

    def __init__(self, limit: int | None, add_task: Callable[[Callable[[], None]], object]) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"with {limit} half-open connections none can ever be made")
        self._limit = limit
        self._add_task = add_task
        self._under_way: set[Beginnable] = set()
        # The contexts in the order of their turns, each with what it has waiting in the same
        # order. A linked list each: a plain dict walks over what was removed from its front.
        self._waiting: OrderedDict[Hashable, OrderedDict[Beginnable, None]] = OrderedDict()
        self._queue_of: dict[Beginnable, Hashable] = {}
        self._is_due = False

    @property
    def half_open(self) -> int:
        """Attempts that are under way; one that races several sockets counts once."""
        return len(self._under_way)

    @property
    def waiting(self) -> int:
        """Attempts whose turn has not come."""
        return len(self._queue_of)

    def add(self, attempt: Beginnable, context: Hashable = None, urgent: bool = False) -> None:
        """Have `attempt.begin()` called in a later turn of the loop, when there is room."""
        if attempt in self._queue_of or attempt in self._under_way:
            raise ValueError("the attempt has asked already")
        key = _URGENT if urgent else context
        self._waiting.setdefault(key, OrderedDict())[attempt] = None
        self._queue_of[attempt] = key
        self._go_on()

    def remove(self, attempt: Beginnable) -> None:
        """Make room: the attempt is over, or waits no more. Nothing if it never asked."""
        if attempt in self._under_way:
            self._under_way.remove(attempt)
            self._go_on()
        elif attempt in self._queue_of:
            key = self._queue_of.pop(attempt)
            queue = self._waiting[key]
            del queue[attempt]
            if not queue:
                del self._waiting[key]

    def _can_begin(self) -> bool:
        has_room = self._limit is None or len(self._under_way) < self._limit
        return has_room and bool(self._waiting)

    def _go_on(self) -> None:
        if not self._is_due and self._can_begin():
            self._is_due = True
            self._add_task(self._give_turns)

    def _give_turns(self) -> None:
        self._is_due = False
        try:
            for _ in range(BEGUN_PER_TURN):
                if not self._can_begin():
                    break
                attempt = self._take_next()
                self._under_way.add(attempt)
                attempt.begin()
        finally:
            self._go_on()

    def _take_next(self) -> Beginnable:
        key: Hashable = _URGENT if _URGENT in self._waiting else next(iter(self._waiting))
        queue = self._waiting[key]
        attempt, _ = queue.popitem(last=False)
        if queue:
            self._waiting.move_to_end(key)
        else:
            del self._waiting[key]
        del self._queue_of[attempt]
        return attempt
