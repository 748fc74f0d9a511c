"""What a stream receives: put in order, kept until it is read, never more than there is room."""

from __future__ import annotations

from bisect import insort


class ReceiveSide:
    """One direction of a connection, at the end that receives (RFC 9293, section 3.8).

    `next` is the first byte that has not come, `size` counts those that wait to be read. Together
    with what came early they never exceed `capacity`: more is dropped, as it was not asked for.
    """

    __slots__ = ("_early", "_queue", "capacity", "edge", "fin_at", "next", "size")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.next = 1
        self.size = 0
        # What the peer was told that it may send up to.
        self.edge = 1 + capacity
        self.fin_at: int | None = None
        # Lists, as they are short: an empty deque is as large as ten of them.
        self._queue: list[bytes | memoryview] = []
        # What came before what it follows, by sequence.
        self._early: list[tuple[int, bytes | memoryview]] = []

    def window(self) -> int:
        """Return how much more may come; whoever asks tells the peer."""
        edge = self.next + self.capacity - self.size
        if edge > self.edge:
            self.edge = edge
        return self.edge - self.next

    @property
    def is_window_news(self) -> bool:
        """Whether the peer should hear that much more may come than it was told."""
        return self.next + self.capacity - self.size - self.edge >= self.capacity // 4

    @property
    def has_hole(self) -> bool:
        """Whether something has come before what it follows."""
        return bool(self._early)

    def early_ranges(self) -> tuple[tuple[int, int], ...]:
        """Return what has come before what it follows, from and up to where (RFC 2018).

        All of it: an acknowledgement with time stamps has room for three, but each tells of what
        came last, and so its receiver knows them all in the end.
        """
        ranges: list[tuple[int, int]] = []
        for begin, payload in self._early:
            end = begin + len(payload)
            if ranges and begin <= ranges[-1][1]:
                begin, before = ranges.pop()
                end = max(end, before)
            ranges.append((begin, end))
        return tuple(ranges)

    @property
    def is_finished(self) -> bool:
        """Whether the peer's end has come, and all before it."""
        return self.fin_at is not None and self.next > self.fin_at

    # What comes.

    def take(self, sequence: int, payload: bytes | memoryview) -> bool:
        """Take a segment; returns whether there is more to read."""
        if sequence + len(payload) > self.edge:
            payload = payload[: max(0, self.edge - sequence)]
        if sequence > self.next:
            if payload and all(sequence != begin for begin, _ in self._early):
                insort(self._early, (sequence, payload), key=_sequence_of)
            return False
        if not self._append(sequence, payload):
            return False
        early = self._early
        while early and early[0][0] <= self.next:
            self._append(*early.pop(0))
        self._pass_fin()
        return True

    def _append(self, sequence: int, payload: bytes | memoryview) -> bool:
        if sequence < self.next:
            payload = payload[self.next - sequence :]
        if not payload:
            return False
        self._queue.append(payload)
        self.size += len(payload)
        self.next += len(payload)
        return True

    def take_fin(self, sequence: int) -> None:
        """Note where the peer's stream ends."""
        if self.fin_at is None:
            self.fin_at = sequence
        self._pass_fin()

    def _pass_fin(self) -> None:
        if self.next == self.fin_at:
            self.next += 1

    # What is read.

    def read(self, count: int) -> bytes:
        """Return and forget the first bytes, `count` at the most."""
        queue = self._queue
        first = queue[0]
        if len(first) >= self.size <= count:
            queue.clear()
            self.size = 0
            return bytes(first)
        parts: list[bytes | memoryview] = []
        left = min(count, self.size)
        self.size -= left
        while left:
            part = queue[len(parts)]
            if len(part) > left:
                view = memoryview(part)
                queue[len(parts)] = view[left:]
                parts.append(view[:left])
                del queue[: len(parts) - 1]
                return b"".join(parts)
            parts.append(part)
            left -= len(part)
        del queue[: len(parts)]
        return b"".join(parts)

    def read_into(self, view: memoryview) -> int:
        """Move the first bytes into a view, as many as it takes; returns how many."""
        queue = self._queue
        place, room = 0, len(view)
        done = 0
        for part in queue:
            count = len(part)
            if count > room - place:
                count = room - place
                if count:
                    part = memoryview(part)
                    view[place:] = part[:count]
                    queue[done] = part[count:]
                    place = room
                break
            view[place : place + count] = part
            place += count
            done += 1
        del queue[:done]
        self.size -= place
        return place

    def peek(self, count: int) -> bytes:
        """Return the first bytes and keep them."""
        parts = []
        for part in self._queue:
            if count <= 0:
                break
            parts.append(part[:count])
            count -= len(part)
        return b"".join(parts)

    def drop(self) -> None:
        """Forget what has come."""
        self._queue.clear()
        self._early.clear()
        self.size = 0


def _sequence_of(early: tuple[int, bytes | memoryview]) -> int:
    return early[0]
