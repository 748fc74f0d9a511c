"""A setting with faults on top, which come and go in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Overlay(Generic[Value]):
    """A value as it was found, changed by what is added and not yet taken away."""

    def __init__(self, base: Value, apply: Callable[[Value], object]) -> None:
        self._base = base
        self._apply = apply
        self._changes: list[Callable[[Value], Value]] = []

    def add(self, change: Callable[[Value], Value]) -> Callable[[], None]:
        """Change it; returns what takes the change away."""
        self._changes.append(change)
        self._set()

        def remove() -> None:
            self._changes.remove(change)
            self._set()

        return remove

    def _set(self) -> None:
        value = self._base
        for change in self._changes:
            value = change(value)
        self._apply(value)
