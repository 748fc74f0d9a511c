"""What a connection has yet to send: bytes and parts of files, in order, never copied again."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

from rawserver.engine.disk import Buffer, File
from rawserver.engine.errors import FileEnded
from rawserver.engine.network import Socket

# Linux takes 1024 (IOV_MAX), but the socket's own buffer is full long before.
MOST_PARTS_PER_SEND = 64
# What a part costs in memory besides its bytes: tiny ones would slip past a limit of bytes alone.
PART_COST = 256
# Says that a file's bytes follow at once, so that a header does not leave in a packet of its own.
MSG_MORE = getattr(socket, "MSG_MORE", 0)

SendFile = Callable[[Socket, File, int, int], int]


class FilePart:
    """`count` bytes of a file from `offset` on."""

    __slots__ = ("count", "file", "offset")

    def __init__(self, file: File, offset: int, count: int) -> None:
        self.file = file
        self.offset = offset
        self.count = count


class WriteBuffer:
    """A queue of parts. `size` counts all bytes, `memory` those that are not in files."""

    __slots__ = ("_parts", "memory", "size")

    def __init__(self) -> None:
        # Made when it is used: an empty one takes more memory than the rest of an idle connection.
        self._parts: deque[memoryview | FilePart] | None = None
        self.size = 0
        self.memory = 0

    @property
    def footprint(self) -> int:
        """Bytes of memory that all this takes."""
        return self.memory + PART_COST * len(self._parts or ())

    def add(self, data: Buffer) -> None:
        """Queue bytes; what could change under us is copied once, now."""
        if not isinstance(data, bytes) and not _is_constant(data):
            data = bytes(data)
        view = memoryview(data)
        if view:
            self._queue().append(view)
            self.size += len(view)
            self.memory += len(view)

    def add_lent(self, parts: Iterable[Buffer]) -> None:
        """Queue bytes that their owner leaves as they are until they are sent."""
        for part in parts:
            if part:
                self._queue().append(memoryview(part))
                self.size += len(part)
                self.memory += len(part)

    def add_file(self, file: File, offset: int, count: int) -> None:
        """Queue a part of a file, which must stay open until it is sent."""
        if count:
            self._queue().append(FilePart(file, offset, count))
            self.size += count

    def clear(self) -> None:
        """Drop everything, and with it the references to files."""
        self._parts = None
        self.size = self.memory = 0

    def _queue(self) -> deque[memoryview | FilePart]:
        if self._parts is None:
            self._parts = deque()
        return self._parts

    def send(self, sock: Socket, sendfile: SendFile, limit: int) -> int:
        """Send until all is sent, the socket takes no more, or `limit` bytes are sent.

        Returns the bytes sent. Raises OSError when the connection is dead, FileEnded when a file
        is shorter than was said.
        """
        sent = 0
        parts = self._parts
        if parts is None:
            return 0
        try:
            while parts and sent < limit:
                first = parts[0]
                if isinstance(first, FilePart):
                    sent += self._send_file(sock, sendfile, first, limit - sent)
                    if not first.count:
                        parts.popleft()
                else:
                    sent += self._send_bytes(sock, parts, first)
        except (BlockingIOError, InterruptedError):
            pass  # the poller says when to go on
        if not parts:
            self._parts = None
        return sent

    def _send_file(self, sock: Socket, sendfile: SendFile, part: FilePart, limit: int) -> int:
        count = sendfile(sock, part.file, part.offset, min(part.count, limit))
        if count == 0:
            raise FileEnded(f"a file ended {part.count} bytes before what was to be sent of it")
        part.offset += count
        part.count -= count
        self.size -= count
        return count

    def _send_bytes(
        self, sock: Socket, parts: deque[memoryview | FilePart], first: memoryview
    ) -> int:
        if len(parts) == 1:
            count = sock.send(first)
        else:
            views: list[memoryview] = []
            flags = 0
            for part in islice(parts, MOST_PARTS_PER_SEND):
                if isinstance(part, FilePart):
                    flags = MSG_MORE
                    break
                views.append(part)
            count = sock.sendmsg(views, [], flags)
        self.size -= count
        self.memory -= count
        left = count
        while left:
            view = parts[0]
            assert not isinstance(view, FilePart)
            if left < len(view):
                parts[0] = view[left:]
                break
            left -= len(view)
            parts.popleft()
        return count


def _is_constant(data: Buffer) -> bool:
    """Tell whether a view's bytes can never change: those of a `bytes` object."""
    return isinstance(data, memoryview) and isinstance(data.obj, bytes)
