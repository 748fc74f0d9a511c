"""Hashing pieces off the loop, on all cores, with the disk read ahead."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from rawserver.engine import RawServer
from rawserver.services.storage import Storage

# Read and hashed at a time: it stays in a core's own cache between the two.
SLICE_BYTES = 1024 * 1024
# Small pieces are hashed so much at a time: handing work over costs as much as hashing 100 KiB.
WORK_BYTES = 4 * 1024 * 1024
# Enough to keep every worker busy while a result is on its way back.
WORKS_IN_FLIGHT = 6

# What a work hands back for each piece: its digest, or None for one that is not on disk.
Digests = list[tuple[int, bytes | None]]


class PieceHasher:
    """Hashes pieces of a storage; results come in the order in which they are ready.

    `hashed(index, digest)` is called for each piece, with None for one whose files are missing
    or too short; `done(error)` once at the end. With `skip_missing` false a missing piece is an
    error, as is one that cannot be read.
    """

    def __init__(
        self,
        raw_server: RawServer,
        storage: Storage,
        piece_length: int,
        total_size: int,
        hashed: Callable[[int, bytes | None], None],
        done: Callable[[BaseException | None], None],
        *,
        skip_missing: bool,
        context: object = None,
    ) -> None:
        self._raw_server = raw_server
        self._storage = storage
        self._piece_length = piece_length
        self._total_size = total_size
        self._hashed = hashed
        self._done = done
        self._skip_missing = skip_missing
        self._context = context
        self._batches: Iterator[Sequence[int]] = iter(())
        self._in_flight = 0
        self._over = False
        self._buffers: list[bytearray] = []
        self._zeros: dict[int, bytes] = {}

    def start(self, indexes: Iterable[int]) -> None:
        """Hash these pieces."""
        self._batches = self._batched(indexes)
        self._submit()

    def cancel(self) -> None:
        """Call nothing any more."""
        self._over = True

    def size(self, index: int) -> int:
        """Return the length of a piece in bytes."""
        return min(self._piece_length, self._total_size - index * self._piece_length)

    def _batched(self, indexes: Iterable[int]) -> Iterator[Sequence[int]]:
        count = max(1, WORK_BYTES // self._piece_length)
        batch: list[int] = []
        for index in indexes:
            # Only neighbours: what lies between others need not be read ahead.
            if batch and (len(batch) == count or index != batch[-1] + 1):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch

    def _submit(self) -> None:
        while self._in_flight < WORKS_IN_FLIGHT:
            batch = next(self._batches, None)
            if batch is None:
                break
            self._in_flight += 1
            self._raw_server.start_work(self._hash_all, (batch,), self._came_back, self._context)
        if not self._in_flight and not self._over:
            # Never from inside `start`.
            self._raw_server.add_task(self._finish, 0, (), self._context)

    def _finish(self) -> None:
        if not self._over:
            self._over = True
            self._done(None)

    def _came_back(self, digests: Digests | None, error: BaseException | None) -> None:
        self._in_flight -= 1
        if self._over:
            return
        if digests is None:
            self._over = True
            self._done(error)
            return
        for index, digest in digests:
            self._hashed(index, digest)
            if self._over:
                return
        self._submit()

    # Off the loop.

    def _hash_all(self, batch: Sequence[int]) -> Digests:
        try:
            # Taken and put back by single calls, so the workers need no lock.
            buffer = self._buffers.pop()
        except IndexError:
            buffer = bytearray(SLICE_BYTES)
        last = batch[-1]
        self._storage.will_need(
            batch[0] * self._piece_length, (last - batch[0]) * self._piece_length + self.size(last)
        )
        digests = [(index, self._hash(index, memoryview(buffer))) for index in batch]
        self._buffers.append(buffer)
        return digests

    def _hash(self, index: int, buffer: memoryview) -> bytes | None:
        offset, left = index * self._piece_length, self.size(index)
        if self._skip_missing:
            if not self._storage.is_there(offset, left):
                return None
            if self._storage.is_hole(offset, left):
                return self._hash_of_zeros(left)
        sha1 = hashlib.sha1(usedforsecurity=False)
        while left:
            part = buffer[: min(left, SLICE_BYTES)]
            self._storage.read_into(part, offset)
            sha1.update(part)
            offset += len(part)
            left -= len(part)
        return sha1.digest()

    def _hash_of_zeros(self, size: int) -> bytes:
        digest = self._zeros.get(size)
        if digest is None:
            sha1 = hashlib.sha1(usedforsecurity=False)
            # A piece may be half a gibibyte, and every worker may be here.
            zeros = bytes(SLICE_BYTES)
            for left in range(size, 0, -SLICE_BYTES):
                sha1.update(zeros if left >= SLICE_BYTES else zeros[:left])
            digest = self._zeros[size] = sha1.digest()
        return digest
