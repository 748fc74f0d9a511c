"""A disk in memory: the `Disk` of a simulated host, which outlives its processes."""

from __future__ import annotations

import errno
import os
import posixpath
import random
from collections.abc import Iterator
from typing import Literal, Protocol

from rawserver.engine.disk import File, FileStatus
from rawserver.simulation.block_pool import BLOCK_BYTES, BlockPool
from rawserver.simulation.cost_meter import CostMeter
from rawserver.simulation.disk_faults import DiskFaults
from rawserver.simulation.disk_speed import SOLID_STATE, DiskQueue, DiskSpeed
from rawserver.simulation.file_content import DiskSpace, FileContent
from rawserver.simulation.folder import Folder, Node, failure, look_up, normal_path, walk
from rawserver.simulation.folder_journal import FolderJournal
from rawserver.simulation.simulated_file import SimulatedFile


class Clock(Protocol):
    """What `HostClock` is, as far as a disk needs it."""

    def time(self) -> float: ...
    def wall_time(self) -> float: ...


class SimulatedDisk:
    """Behaves as `OsDisk` on Linux, and each call notes on the meter how long it took.

    There are no links, no descriptors and no permissions in it, and a block is 16 KiB: holes are
    known and space is taken by so much. The space of a file that was removed is free at once,
    though somebody has it open. `capacity` is in bytes and may be changed; None is no end.
    """

    def __init__(
        self,
        chance: random.Random,
        clock: Clock,
        meter: CostMeter | None = None,
        *,
        pool: BlockPool | None = None,
        speed: DiskSpeed = SOLID_STATE,
        capacity: int | None = None,
    ) -> None:
        self.chance = chance
        self.clock = clock
        self.meter = CostMeter() if meter is None else meter
        self.pool = BlockPool() if pool is None else pool
        self.queue = DiskQueue(clock, self.meter, speed)
        self.space = DiskSpace(capacity)
        self.faults = DiskFaults(chance)
        self.journal = FolderJournal()
        # Counts the power cuts: what was open before one is closed.
        self.life = 0
        self._root = Folder(None, self.now_ns())

    # As `Disk` has it.

    def open(self, path: str, mode: Literal["r", "w", "a"]) -> File:
        self._begin("open", path)
        place = look_up(self._root, path)
        node = place.node
        if isinstance(node, Folder) or (mode != "r" and path.endswith("/")):
            raise failure(errno.EISDIR, path)
        if node is None:
            if mode == "r":
                raise failure(errno.ENOENT, path)
            self._check("make", path)
            node = FileContent(self.now_ns())
            self._put(place.folder, place.name, node)
        return SimulatedFile(self, path, node, writable=mode != "r", appends=mode == "a")

    def make_directories(self, path: str) -> None:
        self.queue.seek()
        names = path.split("/")
        depth = len(path.rstrip("/").split("/"))
        for end in range(1, depth + 1):
            above = "/".join(names[:end])
            if not above or not names[end - 1]:
                continue
            place = look_up(self._root, above)
            if place.node is None:
                self._check("make", above)
                self._put(place.folder, place.name, Folder(place.folder, self.now_ns()))
            elif not isinstance(place.node, Folder):
                raise failure(errno.EEXIST if end == depth else errno.ENOTDIR, above)
        if not path:
            raise failure(errno.ENOENT, path)

    def status(self, path: str) -> FileStatus | None:
        self._begin("status", path)
        try:
            node = look_up(self._root, path).node
        except (FileNotFoundError, NotADirectoryError):
            return None
        if isinstance(node, Folder):
            return FileStatus(BLOCK_BYTES, node.modified_ns, True, False)
        return None if node is None else FileStatus(node.size, node.modified_ns, False, True)

    def is_link(self, path: str) -> bool:
        return False

    def names(self, path: str) -> list[str]:
        return sorted(self._folder("names", path).entries, key=os.fsencode)

    def walk(self, path: str) -> Iterator[tuple[str, ...]]:
        for names, _ in walk(self._folder("walk", path)):
            yield names

    def read_file(self, path: str, limit: int) -> bytes:
        file = self.open(path, "r")
        buffer = bytearray(min(file.size(), limit + 1))
        file.read_into(buffer, 0)
        if len(buffer) > limit:
            raise OSError(errno.EFBIG, f"longer than {limit} bytes", path)
        return bytes(buffer)

    def replace_file(self, path: str, data: bytes) -> None:
        self._begin("replace", path)
        # As from a file of another name: written, synchronized, and then put in the place.
        place = look_up(self._root, path)
        content = FileContent(self.now_ns())
        try:
            self.queue.write(len(data))
            content.write(data, 0, self.pool, self.space)
            self.queue.synchronize()
            content.synchronize()
            self.journal.commit()
            if isinstance(place.node, Folder):
                by_name = posixpath.basename(path) not in (".", "..")
                raise failure(errno.EISDIR if by_name else errno.EBUSY, path)
        except OSError as error:
            self._free(content)
            raise failure(error.errno or errno.EIO, path) from error
        self._free(place.node)
        self._put(place.folder, place.name, content)

    def remove(self, path: str) -> None:
        self._begin("remove", path)
        place = look_up(self._root, path)
        if place.node is None or isinstance(place.node, Folder):
            raise failure(errno.ENOENT if place.node is None else errno.EISDIR, path)
        self._free(place.node)
        self._put(place.folder, place.name, None)

    # For tests and scenarios.

    def put(self, path: str, data: bytes) -> None:
        """Have a file, on the medium, with the folders above it; it takes no time."""
        with self.meter.apart():
            self.make_directories(posixpath.dirname(path) or "/")
            self.replace_file(path, data)
            self.journal.commit()
        self.queue.restart()

    def crash(self) -> None:
        """Cut the power: what was not synchronized is lost, kept or torn, as chance has it.

        Files that are open are so no more, and nothing is in memory. What `replace_file` put in
        place since the last synchronization, within `COMMIT_SECONDS`, may be the old one again.
        """
        self.life += 1
        self.queue.restart()
        self.journal.crash(self.chance, self.clock.time())
        self.space.used = 0
        for _, content in walk(self._root):
            content.crash(self.chance, self.pool)
            self.space.used += content.num_blocks * BLOCK_BYTES

    def forget_cached(self) -> None:
        """Have nothing in memory, so that what is read next comes from the medium."""
        for _, content in walk(self._root):
            content.forget_cached()

    @property
    def used(self) -> int:
        """The bytes of all blocks that files take."""
        return self.space.used

    # For its files.

    def now_ns(self) -> int:
        """Return what a file is stamped with that is modified now."""
        return int(self.clock.wall_time() * 1e9)

    def _folder(self, operation: str, path: str) -> Folder:
        self._begin(operation, path)
        node = look_up(self._root, path).node
        if not isinstance(node, Folder):
            raise failure(errno.ENOENT if node is None else errno.ENOTDIR, path)
        return node

    def _begin(self, operation: str, path: str) -> None:
        if self.faults.active:
            self._check(operation, path)
        self.queue.seek()

    def _check(self, operation: str, path: str) -> None:
        self.queue.occupy(self.faults.check(operation, normal_path(path)))

    def _put(self, folder: Folder, name: str, node: Node | None) -> None:
        self.journal.put(folder, name, node, self.clock.time())
        folder.modified_ns = self.now_ns()

    def _free(self, node: Node | None) -> None:
        if isinstance(node, FileContent):
            self.space.used -= node.num_blocks * BLOCK_BYTES
