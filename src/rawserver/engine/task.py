"""Tasks: functions that are due at a time, run in the order (due, order added)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

# Cancelled tasks stay in the heap until they are due. When they are the larger part of more than
# this many they are swept out, so that what is added and cancelled again does not pile up.
SWEEP_ABOVE = 64


def _nothing(*args: object) -> None:
    pass


class Task:
    """One function that will be called once; `due` is a time of the network's clock in seconds."""

    __slots__ = ("args", "cancelled", "context", "due", "func", "owner", "queue")

    def __init__(
        self,
        queue: TaskQueue | None,
        due: float,
        func: Callable[..., object],
        args: tuple[Any, ...],
        context: object,
    ) -> None:
        # The queue that the task waits in; None when it has been run or was never added.
        self.queue = queue
        self.due = due
        self.func = func
        self.args = args
        self.context = context
        # The things of its context, among which it stands until it is run or cancelled.
        self.owner: dict[Any, None] | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """Make sure that the function will not be called; nothing if it has been."""
        if self.cancelled:
            return
        self.cancelled = True
        # What it holds is let go now, not when it would have been due.
        self.func, self.args = _nothing, ()
        if self.queue is not None:
            self.queue.one_was_cancelled()
        if self.owner is not None:
            self.owner.pop(self, None)

    def end(self) -> None:
        """Cancel, because the context ends."""
        self.cancel()


class TaskQueue:
    """A heap of tasks by (due, order added). Its first is never a cancelled one."""

    __slots__ = ("_cancelled", "_sequence", "heap")

    def __init__(self) -> None:
        # (due, order added, task); public so that the loop can see at once that nothing is due.
        self.heap: list[tuple[float, int, Task]] = []
        self._sequence = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self.heap) - self._cancelled

    def add(
        self, due: float, func: Callable[..., object], args: tuple[Any, ...], context: object
    ) -> Task:
        """Add a function; among those due at the same time the first added runs first."""
        self._sequence += 1
        task = Task(self, due, func, args, context)
        heapq.heappush(self.heap, (due, self._sequence, task))
        return task

    def count_due(self, now: float) -> int:
        """Count the tasks that are due; O(n)."""
        return sum(due <= now and not task.cancelled for due, _, task in self.heap)

    def next_due(self) -> float | None:
        """Return when the next task is due, None if there is none."""
        heap = self.heap
        return heap[0][0] if heap else None

    def take_due(self, now: float) -> list[Task]:
        """Take out the tasks that are due, in order. One may yet be cancelled by another."""
        heap = self.heap
        due: list[Task] = []
        while heap and heap[0][0] <= now:
            task = heapq.heappop(heap)[2]
            task.queue = None
            if task.cancelled:
                self._cancelled -= 1
            else:
                due.append(task)
        self._drop_cancelled()
        return due

    def one_was_cancelled(self) -> None:
        """Count a cancelled task, and sweep when they are many."""
        self._cancelled += 1
        if self._cancelled > SWEEP_ABOVE and self._cancelled * 2 > len(self.heap):
            self.heap = [entry for entry in self.heap if not entry[2].cancelled]
            heapq.heapify(self.heap)
            self._cancelled = 0
        else:
            self._drop_cancelled()

    def _drop_cancelled(self) -> None:
        # Here, where it is rare, so that a turn need not look at the task that is due next.
        heap = self.heap
        while heap and heap[0][2].cancelled:
            heapq.heappop(heap)
            self._cancelled -= 1
