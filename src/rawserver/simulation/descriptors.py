"""The descriptors of a process: small numbers, the lowest free one first."""

from __future__ import annotations

import errno
from heapq import heappop, heappush

from rawserver.simulation.description import Description, error_of
from rawserver.simulation.limits import MachineLimits

# Standard input, output and error.
FIRST = 3


class Descriptors:
    """Which description a number stands for; at most as many as the limits of the machine say."""

    __slots__ = ("_by_number", "_freed", "_limits", "_next")

    def __init__(self, limits: MachineLimits) -> None:
        self._limits = limits
        self._by_number: dict[int, Description] = {}
        self._freed: list[int] = []
        self._next = FIRST

    def __len__(self) -> int:
        return len(self._by_number)

    def open(self, description: Description) -> None:
        """Give a description the lowest free number (POSIX, section 2.6 of System Interfaces).

        OSError (EMFILE) when the process has all that it may, ENFILE when the machine has.
        """
        number = self._freed[0] if self._freed else self._next
        if number >= self._limits.descriptors:
            raise error_of(errno.EMFILE)
        if len(self._by_number) + FIRST >= self._limits.system_descriptors:
            raise error_of(errno.ENFILE)
        if self._freed:
            heappop(self._freed)
        else:
            self._next += 1
        self._by_number[number] = description
        description.descriptor = number

    def close(self, description: Description) -> None:
        """Take the number back."""
        number = description.descriptor
        description.descriptor = -1
        del self._by_number[number]
        heappush(self._freed, number)

    def get(self, number: int) -> Description:
        """Return what a number stands for; OSError (EBADF) if that is nothing."""
        description = self._by_number.get(number)
        if description is None:
            raise error_of(errno.EBADF)
        return description

    def all(self) -> list[Description]:
        """Return what is open, by number."""
        return [self._by_number[number] for number in sorted(self._by_number)]
