"""Faults of handlers and tasks: who is told, and what of."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rawserver.engine.endpoint import Endpoint

ErrorFunction = Callable[[int, str], None]


class Where(NamedTuple):
    """Where a fault happened: in what call, and for which connection, if for one."""

    call: str
    connection: Endpoint | None = None

    def __str__(self) -> str:
        connection = self.connection
        if connection is None:
            return self.call
        peer = f"{connection.ip}:{connection.port}" if connection.ip else "a local peer"
        return f"{self.call}, with {peer}"


class FaultReports:
    """Tells `errorfunc(level, text)` and contexts of faults. `noisy` has handlers' faults told."""

    def __init__(self, noisy: bool, errorfunc: ErrorFunction | None) -> None:
        self.noisy = noisy
        self.errorfunc = write_to_stderr if errorfunc is None else errorfunc

    def failed(self, context: object, error: BaseException, where: Where) -> None:
        """Report a fault of a handler or task, and give it to its context."""
        if self.noisy:
            self.report(logging.ERROR, f"{where}:\n{_traceback(error)}")
        got_exception = getattr(context, "got_exception", None)
        if got_exception is not None:
            try:
                got_exception(error, where)
            except Exception as fault:
                self.report(logging.ERROR, f"got_exception:\n{_traceback(fault)}")

    def report(self, level: int, text: str) -> None:
        """Tell `errorfunc`; where that fails, stderr, and where that fails there is nobody left."""
        try:
            self.errorfunc(level, text)
        except Exception as error:  # a full disk under a log must not end everybody's connections
            with suppress(Exception):
                write_to_stderr(level, f"{text}\n(errorfunc failed: {error!r})")


def method_of(handler: object, name: str) -> str:
    """Name a handler's method in a report."""
    return f"{type(handler).__qualname__}.{name}"


def call_of(func: object) -> str:
    """Name a function in a report."""
    return str(getattr(func, "__qualname__", None) or repr(func))


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


def write_to_stderr(level: int, text: str) -> None:
    """Tell a person, where nobody else wants to hear of it."""
    print(f"{logging.getLevelName(level)}: {text}", file=sys.stderr)
