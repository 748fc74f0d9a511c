"""What reads files again when it is told to."""

from __future__ import annotations

from typing import Protocol


class Reloadable(Protocol):
    """Has read something that may have changed since."""

    def reload(self) -> None:
        """Read it again, off the loop. What goes wrong is reported, and the old contents stay."""
