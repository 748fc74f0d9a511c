"""The file in which a tracker keeps what it knows, for its next start (bttrack's dfile).

It is a line that says what it is, then sections: a name, blocks of bytes, and a checksum over them.
What is in a section is for whoever fills it. All numbers are big-endian:

    "RawServer tracker state 1\\n"  milliseconds of the wall clock (8 bytes)
    then, per section:  length of name (1)  name  [length of block (4, not 0)  block]...  0 (4)
                        CRC-32 of the blocks (4)
    and at the end:  0 (1)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from rawserver.engine import RawServer
from rawserver.engine.fault_reports import Where, method_of
from rawserver.services.tracker.state_format import read_sections, write_sections

# A million peers take some 60 MB.
LARGEST_STATE = 2 * 1024 * 1024 * 1024
# bttrack's save_dfile_interval.
DEFAULT_SAVE_SECONDS = 300.0
# The loop gives so much of each turn to the making of a state, so that no announce waits for it.
SLICE_SECONDS = 0.002


class Section(Protocol):
    """Something that is to survive a restart; `name` is ASCII and short."""

    @property
    def name(self) -> str: ...

    def dump(self, now: float) -> Iterator[bytes]:
        """Yield it in blocks, little work each; it may change between two of them."""

    def restore(self, blocks: Iterable[bytes], now: float, away: float) -> None:
        """Take it back, `away` seconds after it was dumped.

        ValueError if it makes no sense; what came before that may be there.
        """


class StateFile:
    """Loads sections from a file, and saves them every `interval` seconds, and when asked.

    A save never leaves half a file: after a crash the last whole one is there. What goes wrong with
    a save is reported, once until one succeeds.
    """

    def __init__(
        self,
        raw_server: RawServer,
        path: str,
        sections: Iterable[Section],
        *,
        interval: float = DEFAULT_SAVE_SECONDS,
        context: object = None,
    ) -> None:
        self._raw_server = raw_server
        self._path = path
        self._sections = {section.name: section for section in sections}
        self._interval = interval
        self._context = context
        self._saving = False
        self._waiting: list[Callable[[], None]] = []
        # Whether the last save failed.
        self.has_failed = False
        # When the last save that succeeded was begun, by the loop's clock; None before the first.
        self.saved_at: float | None = None

    # Loading. It blocks: a tracker does it before it serves.

    def load(self) -> str:
        """Take back what was saved; returns a line for a person, "" when all is well.

        A damaged file is kept aside, and the tracker begins without it. Raises OSError if the file
        cannot be read or kept aside.
        """
        disk = self._raw_server.network.disk
        if disk.status(self._path) is None:
            return ""
        data = disk.read_file(self._path, LARGEST_STATE)
        try:
            self._restore(data)
        except ValueError as error:
            aside = f"{self._path}.damaged"
            disk.replace_file(aside, data)
            disk.remove(self._path)
            return f"{self._path}: {error}; it is kept as {aside}, and the tracker begins anew"
        return ""

    def _restore(self, data: bytes) -> None:
        saved_at, sections = read_sections(data)
        network = self._raw_server.network
        now = network.time()
        # A clock that was set back is not a time machine.
        away = max(0.0, network.wall_time() - saved_at)
        for name, blocks in sections:
            section = self._sections.get(name)
            if section is not None:
                section.restore(blocks, now, away)

    # Saving.

    def start(self) -> None:
        """Save at the interval from now on."""
        self._raw_server.add_task(self._again, self._interval, (), self._context)

    def _again(self) -> None:
        self.save(self.start)

    def save(self, done: Callable[[], None]) -> None:
        """Save as soon as can be; `done()` is called when it is on the disk or has failed."""
        self._waiting.append(done)
        if not self._saving:
            self._saving = True
            self._begin()

    def _begin(self) -> None:
        # Whoever asks while this one is made gets the next: it has what came in between.
        waiting, self._waiting = self._waiting, []
        network = self._raw_server.network
        now = network.time()
        sections = [(name, section.dump(now)) for name, section in self._sections.items()]
        self._go_on(write_sections(network.wall_time(), sections), [], waiting, now)

    def _go_on(
        self,
        parts: Iterator[bytes],
        made: list[bytes],
        waiting: list[Callable[[], None]],
        since: float,
    ) -> None:
        time = self._raw_server.network.time
        until = time() + SLICE_SECONDS
        try:
            for part in parts:
                made.append(part)
                if time() >= until:
                    args = (parts, made, waiting, since)
                    self._raw_server.add_task(self._go_on, 0, args, self._context)
                    return
        except Exception as error:
            # A fault of ours, or too little memory; whoever waits for the end must not for ever.
            where = Where(method_of(self, "save"))
            self._raw_server.context_failed(self._context, error, where)
            self._saved(error, waiting, since)
            return
        self._write(made, waiting, since)

    def _write(self, made: list[bytes], waiting: list[Callable[[], None]], since: float) -> None:
        disk = self._raw_server.network.disk

        def write() -> None:
            disk.replace_file(self._path, b"".join(made))

        def written(result: None, error: BaseException | None) -> None:
            self._saved(error, waiting, since)

        self._raw_server.start_work(write, (), written, self._context)

    def _saved(
        self, error: BaseException | None, waiting: list[Callable[[], None]], since: float
    ) -> None:
        self._note(error, since)
        for done in waiting:
            done()
        self._saving = bool(self._waiting)
        if self._saving:
            self._begin()

    def _note(self, error: BaseException | None, since: float) -> None:
        if error is None:
            self.saved_at = since
        elif not self.has_failed:
            reason = error.strerror if isinstance(error, OSError) else None
            text = f"the tracker's state was not saved: {self._path}: {reason or error}"
            self._raw_server.report(logging.WARNING, text)
        self.has_failed = error is not None
