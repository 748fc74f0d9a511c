import io
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket
from rawserver.engine.os_pipe import PipeSocket, wrap_pipe

MEGABYTE = 1024 * 1024


@pytest.fixture
def pipe() -> tuple[int, int]:
    """A pipe's two ends, for reading and for writing; the test closes both."""
    return os.pipe()


def child(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)


def test_a_child_process_is_spoken_to_as_a_peer_is(raw_server: RawServer) -> None:
    with child("cat") as process:
        to, back = Recorder(), Recorder()
        writing = raw_server.wrap_pipe(process.stdin, to)
        reading = raw_server.wrap_pipe(process.stdout, back)
        assert (writing.ip, writing.port, writing.getsockname()) == ("", 0, "")
        writing.write(b"hello")
        run_until(raw_server, lambda: back.data == b"hello")
        writing.close_when_flushed()
        run_until(raw_server, lambda: reading.lost)
        assert process.wait() == 0
    assert to.events == ["connection_lost"]
    assert back.events == ["data_came_in", "eof_received", "connection_lost"]
    assert (writing.error, reading.error) == (None, None)


def test_much_goes_through_with_backpressure_both_ways(raw_server: RawServer) -> None:
    data = os.urandom(1024) * 1024 * 4
    with child("cat") as process:
        to = Recorder(connection_flushed=lambda connection: connection.shutdown())
        back = Recorder()
        writing = raw_server.wrap_pipe(process.stdin, to)
        reading = raw_server.wrap_pipe(process.stdout, back)
        reading.pause_reading()
        halves = [data[: len(data) // 2], data[len(data) // 2 :]]
        assert not writing.write(halves[0])
        writing.write_lent([halves[1][:70_000], halves[1][70_000:]])
        # Full: what the two pipes and cat hold, a small part of it all.
        raw_server.listen_once(0.0)
        assert writing.buffered > 3 * MEGABYTE
        assert not to.events
        reading.resume_reading()
        run_until(raw_server, lambda: reading.lost)
        assert process.wait() == 0
    assert back.data == data
    assert to.events == ["connection_flushed", "connection_lost"]
    assert writing.error is None


def test_a_file_is_sent_into_a_pipe(raw_server: RawServer, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789" * 20_000)
    back = Recorder()
    with child("cat") as process:
        writing = raw_server.wrap_pipe(process.stdin, Recorder())
        raw_server.wrap_pipe(process.stdout, back)
        file = raw_server.network.disk.open(str(tmp_path / "a"), "r")
        writing.sendfile(file, 5, 100_000, b"header")
        writing.close_when_flushed()
        run_until(raw_server, lambda: "connection_lost" in back.events)
        file.close()
    assert back.data == b"header" + (b"5678901234" * 10_000)


def test_received_into_memory_of_the_handler(raw_server: RawServer, pipe: tuple[int, int]) -> None:
    class Filled(Recorder):
        def get_buffer(self, connection: SingleSocket) -> memoryview:
            return memory

        def buffer_filled(self, connection: SingleSocket, count: int) -> None:
            self.data += memory[:count]

    memory = memoryview(bytearray(4))
    handler = Filled()
    raw_server.wrap_pipe(pipe[0], handler)
    os.write(pipe[1], b"0123456789")
    os.close(pipe[1])
    run_until(raw_server, lambda: "connection_lost" in handler.events)
    assert handler.data == b"0123456789"


def test_a_reader_that_goes_is_noticed_without_a_write(
    raw_server: RawServer, pipe: tuple[int, int]
) -> None:
    handler = Recorder()
    connection = raw_server.wrap_pipe(pipe[1], handler)
    raw_server.listen_once(0.0)
    assert not handler.events
    os.close(pipe[0])
    run_until(raw_server, lambda: handler.events)
    assert handler.events == ["connection_lost"]
    assert isinstance(connection.error, BrokenPipeError)


def test_what_a_reader_left_unread_is_an_error(
    raw_server: RawServer, pipe: tuple[int, int]
) -> None:
    connection = raw_server.wrap_pipe(pipe[1], Recorder())
    connection.write(bytes(MEGABYTE))
    connection.close_when_flushed()
    os.close(pipe[0])
    run_until(raw_server, lambda: connection.lost)
    assert isinstance(connection.error, BrokenPipeError)


def test_closing_the_end_for_reading_ends_who_writes(raw_server: RawServer) -> None:
    # `yes` never ends by itself, and is told by the signal that pipes have for it.
    with child("yes") as process:
        handler = Recorder(data_came_in=lambda connection: connection.close())
        raw_server.wrap_pipe(process.stdout, handler)
        run_until(raw_server, lambda: "connection_lost" in handler.events)
        assert process.wait() == -13
    assert not handler.data.strip(b"y\n")


def test_writing_to_an_end_for_reading_is_dropped_as_to_one_that_ended(
    raw_server: RawServer, pipe: tuple[int, int]
) -> None:
    handler = Recorder(eof_received=lambda connection: True)
    connection = raw_server.wrap_pipe(pipe[0], handler)
    assert connection.write(b"x") is False
    assert connection.connected
    os.close(pipe[1])
    run_until(raw_server, lambda: connection.lost)
    assert connection.error is None


def test_a_terminal_has_both_directions_and_hangs_up(raw_server: RawServer) -> None:
    master, slave = pty.openpty()
    handler = Recorder()
    connection = raw_server.wrap_pipe(master, handler)
    os.write(slave, b"hello")
    run_until(raw_server, lambda: handler.data == b"hello")
    connection.write(b"typed\n")
    assert os.read(slave, 100) == b"typed\n"
    os.close(slave)
    run_until(raw_server, lambda: connection.lost)
    assert connection.error is None


def test_what_is_always_ready_is_refused_and_left_as_it_was(
    raw_server: RawServer, tmp_path: Path
) -> None:
    with open(tmp_path / "a", "wb", buffering=0) as file:
        with pytest.raises(PermissionError, match="is a file, which no poller can wait for"):
            raw_server.wrap_pipe(file, Recorder())
        assert os.get_blocking(file.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        raw_server.wrap_pipe(-1, Recorder())


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="only epoll refuses it")
def test_a_device_that_is_always_ready_is_refused_and_left_as_it_was(
    raw_server: RawServer,
) -> None:
    with open(os.devnull, "wb", buffering=0) as device:
        with pytest.raises(PermissionError, match=r"cannot be polled: it is always ready"):
            raw_server.wrap_pipe(device, Recorder())
        assert os.get_blocking(device.fileno())
    assert not raw_server.connections()


def test_it_is_closed_once_by_what_has_it(pipe: tuple[int, int]) -> None:
    file = io.FileIO(pipe[0])
    sock = PipeSocket(file)
    assert sock.fileno() == pipe[0]
    sock.close()
    sock.close()
    assert file.closed
    by_number = PipeSocket(pipe[1])
    by_number.close()
    by_number.close()
    assert by_number.fileno() == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(pipe[1])


def test_it_tells_as_a_socket_does(pipe: tuple[int, int]) -> None:
    reading, writing = PipeSocket(pipe[0]), PipeSocket(pipe[1])
    assert (reading.reads, reading.writes) == (True, False)
    assert (writing.reads, writing.writes) == (False, True)
    for sock in (reading, writing):
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        with pytest.raises(BlockingIOError):
            sock.recv_into(bytearray(1))
        for call in (sock.accept, sock.listen, sock.bind, sock.recvfrom, sock.getsockopt):
            with pytest.raises(OSError, match="a pipe is no socket"):
                call(1)
    assert writing.sendmsg([b"ab", memoryview(b"cd")]) == 4
    assert writing.send(b"e") == 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        reading.send(b"x")
    assert reading.recv(100) == b"abcde"
    reading.close()
    with pytest.raises(BrokenPipeError):
        writing.recv(1)
    writing.close()


@pytest.mark.skipif(sys.platform != "linux", reason="others do not tell at the end for writing")
def test_what_has_not_been_read_is_told(raw_server: RawServer, pipe: tuple[int, int]) -> None:
    reading, writing = PipeSocket(pipe[0]), PipeSocket(pipe[1])
    writing.send(bytes(1000))
    assert raw_server.network.unacknowledged(writing) == 1000
    assert raw_server.network.unacknowledged(reading) == 0
    reading.recv(400)
    assert writing.unacknowledged() == 600
    reading.close()
    writing.close()
    master, slave = pty.openpty()
    assert PipeSocket(master).unacknowledged() == 0
    os.close(master)
    os.close(slave)


def test_it_belongs_to_its_context(raw_server: RawServer, pipe: tuple[int, int]) -> None:
    raw_server.add_context("job")
    connection = wrap_pipe(raw_server, pipe[0], Recorder(), "job")
    raw_server.remove_context("job")
    assert connection.lost
    raw_server.listen_once(0.0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(pipe[0])
    os.close(pipe[1])
