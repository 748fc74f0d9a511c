"""What came of one run of a scenario."""

from __future__ import annotations

import os
import traceback
from dataclasses import asdict, dataclass
from typing import Any

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run. `error` is a line, `where` the place of it in the file of who wrote the scenario.

    `virtual_seconds` passed in it. `last` are the last entries of its trace and `handler_faults`
    what handlers raised in it, as text; `faults` are all that its chaos had planned, of which
    those numbered in `kept` were let happen (None: all). `result` is what the scenario returned to
    be told, `result_lines` the same as text.
    """

    seed: int
    passed: bool
    error: str = ""
    where: str = ""
    traceback: str = ""
    virtual_seconds: float = 0.0
    events: int = 0
    trace_hash: str = ""
    last: tuple[str, ...] = ()
    handler_faults: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    kept: tuple[int, ...] | None = None
    result: dict[str, Any] | None = None
    result_lines: tuple[str, ...] = ()

    def is_like(self, other: Outcome) -> bool:
        """Tell whether both failed in the same way: the same kind of error at the same place."""
        return (
            not self.passed
            and not other.passed
            and self.where == other.where
            and self.error.partition(":")[0] == other.error.partition(":")[0]
        )

    def happened(self) -> list[tuple[int, str]]:
        """Return the faults that were let happen, with their numbers."""
        faults = enumerate(self.faults)
        return [
            (number, text) for number, text in faults if self.kept is None or number in self.kept
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return it as what JSON can have."""
        return asdict(self)


def outcome_of(fields: dict[str, Any]) -> Outcome:
    """Return the outcome of which `as_dict` made the fields."""
    fields = {key: tuple(one) if isinstance(one, list) else one for key, one in fields.items()}
    return Outcome(**fields)


def describe_error(error: BaseException) -> str:
    """Return an exception as a line; a bare `assert` by its source."""
    text = " ".join(str(error).split())
    if not text and isinstance(error, AssertionError):
        frames = traceback.extract_tb(error.__traceback__)
        text = (frames[-1].line or "") if frames else ""
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def place_of(error: BaseException) -> str:
    """Return where an exception came from: the innermost line that is not of RawServer itself."""
    frames = traceback.extract_tb(error.__traceback__)
    of_theirs = [one for one in frames if not one.filename.startswith(_PACKAGE)] or frames
    if not of_theirs:
        return ""
    return f"{of_theirs[-1].filename}:{of_theirs[-1].lineno}, in {of_theirs[-1].name}"
