import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from rawserver.engine.os_prefork import prefork

DEADLINE_SECONDS = 20.0
# What the programs have in common. A child answers each connection with its index and its number.
COMMON = """
    import os, signal, socket, sys, threading, time
    from rawserver import RawServer
    from rawserver.engine import os_prefork
    from rawserver.engine.os_prefork import prefork

    signal.alarm(20)  # whatever becomes of the test

    def say(*words):
        # At once, and in one piece: `print` may write each word by itself.
        os.write(1, (" ".join(map(str, words)) + "\\n").encode())

    class Answer:
        def __init__(self, index):
            self.text = f"{index} {os.getpid()}".encode()
        def external_connection_made(self, connection):
            connection.write(self.text)
            connection.close_when_flushed()

    def listen(index, serversocket):
        raw_server = RawServer()
        signal.signal(signal.SIGTERM, lambda number, frame: raw_server.doneflag.set())
        raw_server.install_sigint_handler()
        raw_server.start_listening(serversocket, Answer(index))
        say("ready", index, os.getpid())
        raw_server.listen_forever()
"""


class Program:
    """A pre-forking program in a process of its own."""

    def __init__(self, text: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(COMMON) + textwrap.dedent(text)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.watchdog = threading.Timer(DEADLINE_SECONDS, self.process.kill)
        self.watchdog.start()

    def line(self) -> list[str]:
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()

    def finish(self) -> tuple[int, str, str]:
        output, errors = self.process.communicate()
        return self.process.returncode, output, errors


Start = Callable[[str], Program]


@pytest.fixture
def start() -> Iterator[Start]:
    programs: list[Program] = []

    def start_one(text: str) -> Program:
        programs.append(Program(text))
        return programs[-1]

    yield start_one
    for program in programs:
        program.watchdog.cancel()
        program.watchdog.join()
        if program.process.poll() is None:
            program.process.kill()
        program.process.communicate()


def answers(port: int, count: int) -> set[str]:
    """Ask until so many processes have answered; returns their indices."""
    seen: set[str] = set()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(seen) < count:
        assert time.monotonic() < deadline
        with socket.create_connection(("127.0.0.1", port), DEADLINE_SECONDS) as sock:
            seen.add(sock.recv(100).decode().split()[0])
    return seen


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        # Orphans may have no parent here that takes note of their end.
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                return
        assert time.monotonic() < deadline
        os.sched_yield()


SHARED = """
    serversocket = socket.create_server(("127.0.0.1", 0))
    say(serversocket.getsockname()[1])
    sys.exit(prefork(3, lambda index: listen(index, serversocket)))
"""


def test_all_accept_from_one_socket_and_end_in_good_order(start: Start) -> None:
    program = start(SHARED)
    port = int(program.line()[0])
    ready = [program.line() for _ in range(3)]
    assert sorted(index for _, index, _ in ready) == ["0", "1", "2"]
    assert answers(port, 1) <= {"0", "1", "2"}
    program.process.send_signal(signal.SIGTERM)
    assert program.finish() == (0, "", "")
    for _, _, pid in ready:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="others do not spread connections evenly")
def test_each_may_have_a_socket_of_its_own(start: Start) -> None:
    program = start("""
        with socket.socket() as chooser:
            chooser.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            chooser.bind(("127.0.0.1", 0))
            address = chooser.getsockname()
            say(address[1])
            def serve(index):
                listen(index, socket.create_server(address, reuse_port=True))
            sys.exit(prefork(2, serve))
    """)
    port = int(program.line()[0])
    assert {program.line()[0] for _ in range(2)} == {"ready"}
    assert answers(port, 2) == {"0", "1"}
    program.process.send_signal(signal.SIGINT)
    assert program.finish() == (0, "", "")


def test_one_that_dies_is_replaced(start: Start) -> None:
    program = start(SHARED)
    program.line()
    _, index, pid = [program.line() for _ in range(3)][1]
    os.kill(int(pid), signal.SIGKILL)
    word, new_index, new_pid = program.line()
    assert (word, new_index) == ("ready", index)
    assert new_pid != pid
    program.process.send_signal(signal.SIGTERM)
    code, _, errors = program.finish()
    assert code == 0
    assert errors == f"ERROR: process {index} ({pid}) ended by signal 9; another is started in " \
        "0.1 s\n"  # fmt: skip


def test_one_that_has_lived_long_is_replaced_at_once(start: Start) -> None:
    program = start("    os_prefork.SETTLED_SECONDS = 0.0" + SHARED)
    program.line()
    _, index, pid = [program.line() for _ in range(3)][1]
    os.kill(int(pid), signal.SIGTERM)
    os.kill(int(pid), signal.SIGKILL)
    assert program.line()[:2] == ["ready", index]
    program.process.send_signal(signal.SIGTERM)
    assert program.finish()[2].endswith("another is started in 0 s\n")


def test_all_that_die_at_once_are_given_up_with_a_growing_delay(start: Start) -> None:
    program = start("""
        reports = []
        try:
            prefork(2, lambda index: 1 / 0, restart_delay=0.001,
                    report=lambda level, text: reports.append(text))
        except os_prefork.PreforkFailed as error:
            print(error)
        for delay in (0.001, 0.002, 0.004, 0.008, 0.016):
            print(sum(text.endswith(f"another is started in {delay:g} s") for text in reports))
    """)
    code, output, errors = program.finish()
    message, *counts = output.splitlines()
    assert code == 0
    assert message.startswith("all 2 processes died 5 times within 10 s of their start; the last: ")
    assert message.endswith("ended with exit status 1")
    assert counts == ["2"] * 5
    # Where the two die out of step, one of them is tried once more.
    assert errors.count("ZeroDivisionError") >= 10


def test_one_that_returns_has_finished_and_the_others_go_on(start: Start) -> None:
    program = start("""
        def serve(index):
            say("begins", index)
            if index == 1:
                os.read(0, 1)  # until the test says so
            elif index == 2:
                sys.exit()
        print("ended", prefork(3, serve))
    """)
    begun = {tuple(program.line()) for _ in range(3)}
    assert begun == {("begins", "0"), ("begins", "1"), ("begins", "2")}
    code, output, errors = program.finish()  # its standard input ends
    assert (code, output, errors) == (0, "ended 0\n", "")


def test_one_that_does_not_end_is_killed(start: Start) -> None:
    program = start("""
        def serve(index):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say("ready")
            while True:
                signal.pause()
        sys.exit(prefork(2, serve, stop_timeout=0.1))
    """)
    assert [program.line() for _ in range(2)] == [["ready"]] * 2
    program.process.send_signal(signal.SIGTERM)
    assert program.finish() == (1, "", "ERROR: killed what had not ended in 0.1 s\n")


def test_one_that_fails_at_the_end_is_told_by_the_status(start: Start) -> None:
    program = start("""
        def serve(index):
            say("ready")
            signal.sigwait([signal.SIGTERM])
            raise SystemExit("no room" if index else 0)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        def serve_blocking(index):
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            serve(index)
        sys.exit(prefork(2, serve_blocking))
    """)
    assert [program.line() for _ in range(2)] == [["ready"]] * 2
    program.process.send_signal(signal.SIGTERM)
    assert program.finish() == (1, "", "no room\n")


def test_a_hangup_is_forwarded_and_they_go_on(start: Start) -> None:
    program = start("""
        def serve(index):
            signal.signal(signal.SIGHUP, lambda number, frame: say("again"))
            say("ready")
            while True:
                signal.pause()
        sys.exit(prefork(2, serve))
    """)
    assert [program.line() for _ in range(2)] == [["ready"]] * 2
    program.process.send_signal(signal.SIGHUP)
    assert [program.line() for _ in range(2)] == [["again"]] * 2
    program.process.send_signal(signal.SIGTERM)
    assert program.finish() == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_processes_do_not_outlive_the_parent(start: Start) -> None:
    program = start(SHARED)
    program.line()
    pids = [int(program.line()[2]) for _ in range(3)]
    program.process.kill()
    program.process.wait()
    for pid in pids:
        wait_until_gone(pid)


def test_the_number_is_by_default_that_of_the_cores(start: Start) -> None:
    program = start("""
        os.cpu_count = lambda: 3
        prefork(None, lambda index: say(index))
    """)
    code, output, _ = program.finish()
    assert code == 0
    assert sorted(output.split()) == ["0", "1", "2"]


def test_the_program_has_its_signals_back_and_goes_on_alone(start: Start) -> None:
    program = start("""
        before = [signal.getsignal(number) for number in (1, 2, 15, signal.SIGCHLD)]
        descriptors = os.listdir("/dev/fd")
        print("once")  # held by the buffer when it forks
        try:
            prefork(1, lambda index: None)
        finally:
            print("finally", os.getpid() == pid) if (pid := os.getpid()) else None
        assert [signal.getsignal(number) for number in (1, 2, 15, signal.SIGCHLD)] == before
        assert signal.set_wakeup_fd(-1) == -1
        assert os.listdir("/dev/fd") == descriptors
    """)
    assert program.finish() == (0, "once\nfinally True\n", "")


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="0 processes"):
        prefork(0, print)
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="before threads"):
            prefork(1, print)
    finally:
        release.set()
        thread.join()
