import os
import signal
import socket
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket
from rawserver.engine.network import Socket
from rawserver.engine.os_handover import Handover, HandoverFailed, hand_over

DEADLINE_SECONDS = 20.0
SUCCESSOR = textwrap.dedent("""
    import os, signal, sys
    from rawserver import RawServer
    from rawserver.engine.os_inherited_sockets import inherited_serversockets
    from rawserver.engine.os_notify import notify_ready

    class Answer:
        def external_connection_made(self, connection):
            connection.write(self.text)
            connection.close_when_flushed()

    signal.alarm(20)  # whatever becomes of the test
    raw_server = RawServer()
    for name, sock, listens in inherited_serversockets():
        answer = Answer()
        answer.text = name.encode()
        raw_server.start_listening(sock, answer)
    notify_ready()
    raw_server.listen_forever()
""")


def answer(text: bytes) -> Recorder:
    def made(connection: SingleSocket) -> None:
        connection.write(text)
        connection.close_when_flushed()

    return Recorder(external_connection_made=made)


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as sock:
        return sock.recv(100)


class Callers:
    """Threads that connect over and over, and keep what they were answered or refused with."""

    def __init__(self, port: int) -> None:
        self.answers: list[bytes] = []
        self.errors: list[OSError] = []
        self._stopped = threading.Event()
        self._port = port
        self._threads = [threading.Thread(target=self._call) for _ in range(3)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        while not self._stopped.is_set():
            try:
                self.answers.append(ask(self._port))
            except OSError as error:
                self.errors.append(error)

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def port_and_socket(raw_server: RawServer) -> Iterator[tuple[int, Socket]]:
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")
    raw_server.start_listening(serversocket, answer(b"old"))
    yield serversocket.getsockname()[1], serversocket
    serversocket.close()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def is_gone(pid: int) -> bool:
    """Tell whether a process is neither alive nor a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_no_connection_is_refused_and_all_are_answered(
    raw_server: RawServer, port_and_socket: tuple[int, Socket]
) -> None:
    port, serversocket = port_and_socket
    outcome: list[OSError | None] = []
    callers = Callers(port)

    def done(error: OSError | None) -> None:
        outcome.append(error)
        raw_server.stop_listening(serversocket)
        serversocket.close()

    run_until(raw_server, lambda: len(callers.answers) > 20)
    command = [sys.executable, "-c", SUCCESSOR]
    handover = hand_over(raw_server, command, {"other": serversocket, "new": serversocket}, done)
    try:
        run_until(raw_server, lambda: outcome and b"old" not in callers.answers[-30:])
    finally:
        callers.stop()
        kill(handover.pid)
    assert outcome == [None]
    assert not callers.errors
    assert set(callers.answers) <= {b"old", b"new", b"other"}


def fail(
    raw_server: RawServer, serversocket: Socket, program: str, ready_timeout: float = 20.0
) -> tuple[OSError, Handover]:
    outcome: list[OSError | None] = []
    command = ["/bin/sh", "-c", program]
    handover = hand_over(
        raw_server, command, {"a": serversocket}, outcome.append, ready_timeout=ready_timeout
    )
    run_until(raw_server, lambda: outcome)
    assert len(outcome) == 1
    assert outcome[0] is not None
    return outcome[0], handover


@pytest.mark.parametrize(
    ("program", "how"), [("exit 3", "with exit status 3"), ("kill -9 $$", "by signal 9")]
)
def test_one_that_ends_is_told_and_the_old_one_goes_on(
    raw_server: RawServer, port_and_socket: tuple[int, Socket], program: str, how: str
) -> None:
    port, serversocket = port_and_socket
    error, handover = fail(raw_server, serversocket, program)
    assert isinstance(error, HandoverFailed)
    assert str(error) == f"the successor ended {how} before it served"
    assert is_gone(handover.pid)
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(ask(port)))
    thread.start()
    run_until(raw_server, lambda: answers)
    thread.join()
    assert answers == [b"old"]


def test_a_program_that_is_not_there_is_told(
    raw_server: RawServer, port_and_socket: tuple[int, Socket]
) -> None:
    error, _ = fail(raw_server, port_and_socket[1], "exec /nowhere/to/be/found 2>/dev/null")
    assert "exit status 127" in str(error)


def test_one_that_is_never_ready_is_killed(
    raw_server: RawServer, port_and_socket: tuple[int, Socket]
) -> None:
    error, handover = fail(raw_server, port_and_socket[1], "exec sleep 60", ready_timeout=0.05)
    assert str(error) == "the successor was not ready in 0.05 seconds"
    assert is_gone(handover.pid)


def test_the_end_of_the_context_gives_up(
    raw_server: RawServer, port_and_socket: tuple[int, Socket]
) -> None:
    raw_server.add_context("renewal")
    command = ["/bin/sh", "-c", "exec sleep 60"]
    sockets = {"a": port_and_socket[1]}
    called: list[object] = []
    handover = hand_over(raw_server, command, sockets, called.append, context="renewal")
    raw_server.remove_context("renewal")
    run_until(raw_server, lambda: is_gone(handover.pid))
    handover.end()  # nothing any more
    assert not called


def test_nothing_is_left_behind(
    raw_server: RawServer,
    port_and_socket: tuple[int, Socket],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = len(os.listdir("/dev/fd"))
    fail(raw_server, port_and_socket[1], "exit 1")
    monkeypatch.setattr("os.posix_spawn", lambda *args, **kwargs: os.stat("/nowhere"))
    with pytest.raises(FileNotFoundError):
        hand_over(raw_server, ["x"], {"a": port_and_socket[1]}, print)
    with pytest.raises(ValueError, match="never added"):
        hand_over(raw_server, ["x"], {"a": port_and_socket[1]}, print, context="not live")
    raw_server.listen_once(0.0)  # what a turn holds is closed at its end
    assert len(os.listdir("/dev/fd")) == before
    assert not os.listdir(tmp_path)


def test_a_successor_that_was_never_going_to_stay_is_none(
    raw_server: RawServer, port_and_socket: tuple[int, Socket]
) -> None:
    # Ready, and over before the loop hears of it: the loop does not turn meanwhile.
    outcome: list[OSError | None] = []
    program = (
        "import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
        "s.sendto(b'STATUS=x\\nREADY=1', os.environ['NOTIFY_SOCKET'])"
    )
    sockets = {"a": port_and_socket[1]}
    handover = hand_over(raw_server, [sys.executable, "-c", program], sockets, outcome.append)
    os.waitid(os.P_PID, handover.pid, os.WEXITED | os.WNOWAIT)
    run_until(raw_server, lambda: outcome)
    assert str(outcome[0]) == "the successor ended with exit status 0 before it served"


def test_the_service_manager_hears_of_the_new_main_process(
    raw_server: RawServer, port_and_socket: tuple[int, Socket], tmp_path: Path
) -> None:
    path = str(tmp_path / "manager")
    outcome: list[OSError | None] = []
    program = (
        "import os; from rawserver.engine.os_notify import notify, notify_ready; notify_ready(); "
        "notify('STATUS=' + ','.join(n for n in os.environ if 'NOTIFY' in n)); "
        "import signal; signal.alarm(20); signal.pause()"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(DEADLINE_SECONDS)
        handover = hand_over(
            raw_server,
            [sys.executable, "-c", program],
            {"a": port_and_socket[1]},
            outcome.append,
            environ={**os.environ, "NOTIFY_SOCKET": path},
        )
        run_until(raw_server, lambda: outcome)
        told = {manager.recv(1000), manager.recv(1000)}
        kill(handover.pid)
    assert outcome == [None]
    assert told == {f"MAINPID={handover.pid}".encode(), b"STATUS=NOTIFY_SOCKET"}


def test_names_that_cannot_be_told_are_refused(
    raw_server: RawServer, port_and_socket: tuple[int, Socket]
) -> None:
    for name in ("a:b", "a\n", "x" * 256):
        with pytest.raises(ValueError, match="cannot be handed over by the name"):
            hand_over(raw_server, ["true"], {name: port_and_socket[1]}, print)
