import socket
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.engine.errors import FileEnded
from rawserver.engine.write_buffer import FilePart, WriteBuffer

NO_LIMIT = 1 << 30


class Taker:
    """A socket that takes so many bytes at a call, and then no more."""

    def __init__(self, *takes: int) -> None:
        self.takes = list(takes)
        self.got = bytearray()
        self.flags: list[int] = []

    def _take(self, data: bytes) -> int:
        if not self.takes:
            raise BlockingIOError
        count = min(self.takes.pop(0), len(data))
        self.got += data[:count]
        return count

    def send(self, data: memoryview, flags: int = 0) -> int:
        return self._take(bytes(data))

    def sendmsg(self, buffers: list[memoryview], ancdata: object = (), flags: int = 0) -> int:
        self.flags.append(flags)
        return self._take(b"".join(buffers))


class Content:
    def __init__(self, data: bytes) -> None:
        self.data = data


def sendfile(sock: Taker, file: Content, offset: int, count: int) -> int:
    data = file.data[offset : offset + count]
    return sock._take(data) if data else 0


PARTS = st.one_of(
    st.binary(max_size=20).map(lambda data: ("bytes", data)),
    st.lists(st.binary(max_size=5), max_size=4).map(lambda parts: ("lent", parts)),
    st.binary(max_size=30).map(lambda data: ("file", data)),
)


@given(st.lists(PARTS, max_size=30), st.lists(st.integers(1, 25), max_size=20))
def test_all_parts_leave_in_order_however_the_socket_takes_them(
    parts: list[tuple[str, object]], takes: list[int]
) -> None:
    buffer = WriteBuffer()
    expected = b""
    in_files = 0
    for kind, data in parts:
        if kind == "bytes":
            assert isinstance(data, bytes)
            buffer.add(data)
            expected += data
        elif kind == "lent":
            assert isinstance(data, list)
            buffer.add_lent(data)
            expected += b"".join(data)
        else:
            assert isinstance(data, bytes)
            buffer.add_file(Content(b"skipped" + data), 7, len(data))
            expected += data
            in_files += len(data)
    assert (buffer.size, buffer.memory) == (len(expected), len(expected) - in_files)
    sock = Taker(*takes)
    while takes:
        before = len(sock.got)
        takes = sock.takes
        sent = buffer.send(sock, sendfile, NO_LIMIT)
        assert sent == len(sock.got) - before
        assert buffer.size == len(expected) - len(sock.got)
        if not buffer.size:
            break
    last = Taker(*[1000] * 200)
    buffer.send(last, sendfile, NO_LIMIT)
    assert sock.got + last.got == expected
    assert (buffer.size, buffer.memory) == (0, 0)


def test_a_turn_sends_no_more_than_its_limit_from_a_file() -> None:
    buffer = WriteBuffer()
    buffer.add_file(Content(b"x" * 1000), 0, 1000)
    sock = Taker(*[1000] * 10)
    assert buffer.send(sock, sendfile, 300) == 300
    assert buffer.size == 700


def test_a_header_waits_for_the_file_it_belongs_to() -> None:
    buffer = WriteBuffer()
    buffer.add(b"head")
    buffer.add_file(Content(b"body"), 0, 4)
    sock = Taker(100, 100)
    assert buffer.send(sock, sendfile, NO_LIMIT) == 8
    assert sock.flags == [getattr(socket, "MSG_MORE", 0)]


@pytest.mark.parametrize("kind", [bytearray, lambda data: memoryview(bytearray(data))])
def test_what_could_change_is_copied(kind: Callable[[bytes], bytearray]) -> None:
    buffer = WriteBuffer()
    data = kind(b"first")
    buffer.add(data)
    data[:] = b"other"
    sock = Taker(100)
    buffer.send(sock, sendfile, NO_LIMIT)
    assert sock.got == b"first"


def test_lent_memory_is_not_copied() -> None:
    buffer = WriteBuffer()
    data = bytearray(b"first")
    buffer.add_lent([data])
    data[:] = b"other"
    sock = Taker(100)
    buffer.send(sock, sendfile, NO_LIMIT)
    assert sock.got == b"other"


def test_a_file_that_ends_early_is_told() -> None:
    buffer = WriteBuffer()
    buffer.add_file(Content(b"123"), 0, 5)
    with pytest.raises(FileEnded, match="2 bytes"):
        buffer.send(Taker(100, 100), sendfile, NO_LIMIT)


def test_clearing_lets_go_of_everything() -> None:
    buffer = WriteBuffer()
    buffer.add(b"123")
    buffer.add_file(Content(b"123"), 0, 3)
    buffer.clear()
    assert (buffer.size, buffer.memory) == (0, 0)
    assert buffer.send(Taker(), sendfile, NO_LIMIT) == 0


def test_a_file_part_knows_what_is_left() -> None:
    content = Content(b"")
    part = FilePart(content, 1, 2)
    assert (part.file, part.offset, part.count) == (content, 1, 2)
