"""What stands before a tracker's registry, and what looks on behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rawserver.services.tracker.asker import Asker
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import AnnounceRequest


class Refused(Exception):
    """An announce is refused. The text is sent as `failure reason`.

    `retry_in`: after how many seconds it may be tried again; 0 for never, None leaves it to the
    client (BEP 31).
    """

    def __init__(self, reason: str, retry_in: int | None = None) -> None:
        super().__init__(reason)
        self.retry_in = retry_in


class Gate(Protocol):
    """Decides on an announce before anything is noted of it."""

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Return None, or a warning for whoever asked; raises Refused."""


# Told of each announce that was right: what was asked, by whom, and what it was answered.
Watcher = Callable[[AnnounceRequest, Asker, AnnounceResult], None]
