"""A world that is written to files while it runs, for who wants to see what happened."""

from __future__ import annotations

import io
import os
from types import TracebackType
from urllib.parse import quote

from rawserver.simulation.host import Host
from rawserver.simulation.trace import JsonLines
from rawserver.simulation.world import World

# Kept in memory for each host: there may be more hosts than a process may have files open.
SPOOLED_BYTES = 64 * 1024


class RecordedWorld(World):
    """A world with a timeline in a file (JSON lines) and a capture of each host in a folder.

    Either may be None. It is a context manager: files are whole when it is left. What is written
    does not change what happens. OSError where something cannot be written.
    """

    def __init__(self, seed: int, timeline: str | None = None, pcap: str | None = None) -> None:
        super().__init__(seed)
        self._folder = pcap
        self._spools: list[_Spool] = []
        self._timeline = open(timeline, "w", encoding="utf-8") if timeline is not None else None
        if self._timeline is not None:
            self.trace.sinks.append(JsonLines(self._timeline))
        if pcap is not None:
            os.makedirs(pcap, exist_ok=True)

    def add_host(self, name: str, *addresses: str) -> Host:
        """Do as a world does, and capture what the host sends and receives."""
        host = super().add_host(name, *addresses)
        if self._folder is not None:
            # A name may hold what a file's may not.
            spool = _Spool(os.path.join(self._folder, f"{quote(name, safe=' ')}.pcap"))
            self._spools.append(spool)
            self.fabric.capture(spool, *host.addresses)
        return host

    def __enter__(self) -> RecordedWorld:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timeline is not None:
            self._timeline.close()
        for spool in self._spools:
            spool.spill()


class _Spool(io.BytesIO):
    """What is to be at the end of a file; written now and then."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        with open(path, "wb"):
            pass  # what an earlier run left there is gone

    def write(self, data: io.ReadableBuffer, /) -> int:  # type: ignore[name-defined]
        count = super().write(data)
        if self.tell() >= SPOOLED_BYTES:
            self.spill()
        return count

    def spill(self) -> None:
        """Write what is in memory."""
        with open(self._path, "ab") as file:
            file.write(self.getbuffer())
        self.seek(0)
        self.truncate()
