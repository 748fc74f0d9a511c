"""What goes wrong on a disk, as rules that a test adds and removes."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Operation = Literal[
    "open", "read", "write", "extend", "synchronize", "status", "names", "walk", "make", "replace",
    "remove",
]  # fmt: skip
EVERY_OPERATION: tuple[Operation, ...] = (
    "open", "read", "write", "extend", "synchronize", "status", "names", "walk", "make", "replace",
    "remove",
)  # fmt: skip


@dataclass(slots=True, eq=False)
class DiskFault:
    """Makes operations fail with an errno, or take longer, or both.

    `path` is a file, or a folder for all that is below; None for the whole disk. `start` and `end`
    are offsets in a file, for reads and writes that touch them. `chance` is that of each operation
    to be hit; after `times` of them the fault is over.
    """

    operations: tuple[Operation, ...]
    error: int = 0
    seconds: float = 0.0
    path: str | None = None
    start: int = 0
    end: int | None = None
    chance: float = 1.0
    times: int | None = None

    def touches(self, operation: str, path: str, offset: int, count: int | None) -> bool:
        """Tell whether an operation is one of those; `count` None has no place in the file."""
        if operation not in self.operations or self.times == 0:
            return False
        if self.path is not None:
            folder = self.path.rstrip("/") + "/"
            if path != self.path and not path.startswith(folder):
                return False
        if count is None:
            return True
        return offset + count > self.start and (self.end is None or offset < self.end)


def read_error(path: str | None = None, start: int = 0, end: int | None = None) -> DiskFault:
    """Return a fault that makes what is at these offsets unreadable (EIO)."""
    return DiskFault(("read",), errno.EIO, path=path, start=start, end=end)


def write_error(path: str | None = None) -> DiskFault:
    """Return a fault that lets nothing be written (EIO); the medium shows it when synchronized."""
    return DiskFault(("write", "synchronize", "replace"), errno.EIO, path=path)


def full() -> DiskFault:
    """Return a fault that leaves no room (ENOSPC), not for a new file either."""
    return DiskFault(("write", "make", "replace"), errno.ENOSPC)


def slow(seconds: float, path: str | None = None) -> DiskFault:
    """Return a fault that makes every operation take so much longer."""
    return DiskFault(EVERY_OPERATION, seconds=seconds, path=path)


class DiskFaults:
    """The faults of a disk, in the order in which they were added."""

    __slots__ = ("_chance", "active")

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.active: list[DiskFault] = []

    def add(self, fault: DiskFault) -> DiskFault:
        """Have a fault from now on; returns it."""
        self.active.append(fault)
        return fault

    def remove(self, fault: DiskFault) -> None:
        """Have it no more; ValueError if it is not there."""
        self.active.remove(fault)

    @contextmanager
    def during(self, fault: DiskFault) -> Iterator[DiskFault]:
        """Have a fault while the block runs."""
        self.add(fault)
        try:
            yield fault
        finally:
            self.remove(fault)

    def check(self, operation: str, path: str, offset: int = 0, count: int | None = None) -> float:
        """Return the seconds that faults add to an operation; OSError if one makes it fail."""
        seconds = 0.0
        for fault in self.active:
            if not fault.touches(operation, path, offset, count):
                continue
            if fault.chance < 1.0 and self._chance.random() >= fault.chance:
                continue
            if fault.times is not None:
                fault.times -= 1
            seconds += fault.seconds
            if fault.error:
                raise OSError(fault.error, os.strerror(fault.error), path)
        return seconds
