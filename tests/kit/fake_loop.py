"""A loop whose clock stands still until a test moves it, for what needs tasks and no sockets."""

import logging
from collections.abc import Callable
from typing import Any

from rawserver.engine import Config


class FakeTask:
    def __init__(self, due: float, func: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.due = due
        self.func = func
        self.args = args
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """Has a RawServer's `add_task`, `report` and `config`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.config = Config()
        self.tasks: list[FakeTask] = []
        self.reported: list[str] = []

    def add_task(
        self,
        func: Callable[..., object],
        delay: float = 0.0,
        args: tuple[Any, ...] = (),
        context: object = None,
    ) -> FakeTask:
        task = FakeTask(self.now + delay, func, args)
        self.tasks.append(task)
        return task

    def report(self, level: int, text: str) -> None:
        assert level == logging.ERROR
        self.reported.append(text)

    @property
    def waiting(self) -> list[FakeTask]:
        """The tasks that are still to run."""
        self.tasks = [task for task in self.tasks if not task.cancelled]
        return self.tasks

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass and run what is due; what that adds runs in the next turn."""
        self.now += seconds
        due = [task for task in self.waiting if task.due <= self.now]
        self.tasks = [task for task in self.tasks if task not in due]
        for task in due:
            if not task.cancelled:
                task.func(*task.args)

    def run(self, seconds: float) -> None:
        """Let time pass from one task to the next, and run them all."""
        end = self.now + seconds
        for _ in range(100_000):
            due = min((task.due for task in self.waiting), default=end + 1)
            if due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            self.turn()
        raise AssertionError("tasks that are due at once without end")
