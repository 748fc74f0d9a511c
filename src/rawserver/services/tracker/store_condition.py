"""Whether a store is there, and what its operator is told of it: each thing once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf

from rawserver.engine import RawServer, Task

# A store that comes and goes is told of once, not each time.
STEADY_SECONDS = 5.0
# For so long a command that the store refused is told of on the page.
TROUBLE_SECONDS = 60.0


class StoreCondition:
    """Of the store that is called `name`. `report(text)` is told what a person should know."""

    def __init__(
        self, raw_server: RawServer, name: str, report: Callable[[str], None] | None = None
    ) -> None:
        self._raw_server = raw_server
        self._time = raw_server.network.time
        self._name = name
        self._report = report or (lambda text: raw_server.report(logging.WARNING, text))
        self._away = ""
        self._told_away = False
        self._back_task: Task | None = None
        self._trouble = ""
        self._troubled_until = -inf

    @property
    def warning(self) -> str:
        """What is wrong now, in a line; "" if nothing is."""
        if self._away:
            return f"the store {self._name} is away: {self._away}"
        if self._time() < self._troubled_until:
            return f"the store {self._name} is in trouble: {self._trouble}"
        return ""

    def is_there(self) -> None:
        """Note that the store answers; it is told of when it has done so for a while."""
        self._away = ""
        if self._told_away:
            self._back_task = self._raw_server.add_task(self._is_back, STEADY_SECONDS)

    def is_away(self, reason: str) -> None:
        """Note that the store does not answer."""
        self._away = reason
        if self._back_task is not None:
            self._back_task.cancel()
            self._back_task = None
        if not self._told_away:
            self._told_away = True
            self._report(f"{self.warning}; announces are answered from what is known here")

    def _is_back(self) -> None:
        self._back_task = None
        self._told_away = False
        self._report(f"the store {self._name} is back")

    def is_troubled(self, text: str) -> None:
        """Note that the store is there, and did not do what it was asked."""
        known = text == self._trouble and self._time() < self._troubled_until
        self._trouble, self._troubled_until = text, self._time() + TROUBLE_SECONDS
        if not known:
            self._report(f"the store {self._name} is in trouble: {text}")
