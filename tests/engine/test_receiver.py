import socket

from kit.loop import run_until
from rawserver import Config, RawServer
from rawserver.engine.receiver import Receiver


class Taking(Receiver):
    """Takes bytes, or rests while `fault` is set."""

    def __init__(self, raw_server: RawServer, sock: socket.socket) -> None:
        self.sock = sock
        self.taken = b""
        self.fault: OSError | None = None
        super().__init__(raw_server, sock.fileno(), "take bytes")

    def ready(self, events: int) -> None:
        if self.fault is not None:
            self.rest(self.fault)
            return
        self.taken += self.sock.recv(10)
        self.went_well()


def test_it_rests_after_a_fault_and_goes_on() -> None:
    reported: list[str] = []
    raw_server = RawServer(
        config=Config(accept_pause=0.02), errorfunc=lambda level, text: reported.append(text)
    )
    reading, writing = socket.socketpair()
    with reading, writing:
        receiver = Taking(raw_server, reading)
        writing.send(b"a")
        run_until(raw_server, lambda: receiver.taken == b"a")
        receiver.fault = OSError(105, "no room")
        writing.send(b"b")
        run_until(raw_server, lambda: not receiver.is_reading)
        run_until(raw_server, lambda: receiver.is_reading)
        run_until(raw_server, lambda: not receiver.is_reading)
        assert reported == ["cannot take bytes, trying every 0.02 s: [Errno 105] no room"]
        receiver.fault = None
        run_until(raw_server, lambda: receiver.taken == b"ab")
        receiver.fault = OSError(105, "no room")
        writing.send(b"c")
        run_until(raw_server, lambda: len(reported) == 2)
        receiver.stop()
        assert not receiver.is_reading
        receiver.stop()
        raw_server.close()


def test_one_that_is_stopped_takes_nothing(raw_server: RawServer) -> None:
    reading, writing = socket.socketpair()
    with reading, writing:
        receiver = Taking(raw_server, reading)
        receiver.stop()
        writing.send(b"a")
        raw_server.listen_once(0)
        assert receiver.taken == b""
        assert receiver.descriptor == -1


def test_one_that_is_paused_takes_nothing_until_it_resumes(raw_server: RawServer) -> None:
    reading, writing = socket.socketpair()
    with reading, writing:
        receiver = Taking(raw_server, reading)
        receiver.pause_reading()
        receiver.pause_reading()
        writing.send(b"a")
        raw_server.listen_once(0)
        assert (receiver.taken, receiver.is_reading) == (b"", False)
        receiver.resume_reading()
        receiver.resume_reading()
        run_until(raw_server, lambda: receiver.taken == b"a")
        receiver.pause_reading()
        receiver.stop()
        receiver.resume_reading()
        assert not receiver.is_reading


def test_a_rest_that_ends_in_a_pause_goes_on_only_after_it() -> None:
    raw_server = RawServer(config=Config(accept_pause=0.02), errorfunc=lambda level, text: None)
    reading, writing = socket.socketpair()
    with reading, writing:
        receiver = Taking(raw_server, reading)
        receiver.fault = OSError(105, "no room")
        writing.send(b"a")
        run_until(raw_server, lambda: not receiver.is_reading)
        receiver.fault = None
        receiver.pause_reading()
        over: list[bool] = []
        raw_server.add_task(over.append, 0.05, (True,))
        run_until(raw_server, lambda: over)
        assert receiver.taken == b""
        receiver.resume_reading()
        run_until(raw_server, lambda: receiver.taken == b"a")
        receiver.stop()
        raw_server.close()
