"""What only a real system does: signals, and descriptors that run out. Each in its own process."""

import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

pytest.importorskip("resource")

DEADLINE_SECONDS = 20.0

BEGIN = """
    import signal, sys
    from rawserver import RawServer

    class Handler:
        def external_connection_made(self, connection): pass
        def connection_made(self, connection): pass
        def connection_lost(self, connection): print("lost", flush=True)

    raw_server = RawServer()
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")
    raw_server.start_listening(serversocket, Handler())
    handler = Handler()
    handler.connection_made = lambda connection: print("ready", flush=True)
    raw_server.start_connection(serversocket.getsockname(), handler)
"""


class Program:
    """A program of which each line of output can be waited for."""

    def __init__(self, text: str) -> None:
        parts = [textwrap.dedent(part) for part in (BEGIN, text)]
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", "".join(parts)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.watchdog = threading.Timer(DEADLINE_SECONDS, self.process.kill)
        self.watchdog.start()

    def wait_for(self, line: str) -> None:
        assert self.process.stdout is not None
        read = self.process.stdout.readline().strip()
        assert read == line, self.process.stderr.read() if self.process.stderr else ""

    def finish(self) -> tuple[int, str, str]:
        output, errors = self.process.communicate()
        self.watchdog.cancel()
        return self.process.returncode, output, errors


def test_a_first_interrupt_ends_in_good_order() -> None:
    program = Program("""
        raw_server.install_sigint_handler()
        raw_server.listen_forever()
        print("ended", flush=True)
    """)
    program.wait_for("ready")
    began = time.monotonic()
    program.process.send_signal(signal.SIGINT)
    assert program.finish() == (0, "lost\nlost\nended\n", "")
    assert time.monotonic() - began < 5.0


def test_a_second_interrupt_ends_at_once() -> None:
    program = Program("""
        raw_server.install_sigint_handler()
        def hang():
            print("hangs", flush=True)
            while not raw_server.doneflag.is_set():
                pass
            print("still", flush=True)
            while True:
                pass
        raw_server.add_task(hang, 0.01)
        raw_server.listen_forever()
    """)
    program.wait_for("ready")
    program.wait_for("hangs")
    program.process.send_signal(signal.SIGINT)
    program.wait_for("still")
    program.process.send_signal(signal.SIGINT)
    code, output, errors = program.finish()
    assert code in (-signal.SIGINT, 130)
    assert output == "lost\nlost\n"
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_a_flag_that_a_signals_handler_sets_ends_it() -> None:
    program = Program("""
        signal.signal(signal.SIGTERM, lambda number, frame: raw_server.doneflag.set())
        raw_server.listen_forever()
        print("ended", flush=True)
    """)
    program.wait_for("ready")
    program.process.send_signal(signal.SIGTERM)
    assert program.finish() == (0, "lost\nlost\nended\n", "")


def test_without_a_handler_an_interrupt_closes_everything_and_is_raised() -> None:
    program = Program("""
        raw_server.listen_forever()
    """)
    program.wait_for("ready")
    program.process.send_signal(signal.SIGINT)
    code, output, errors = program.finish()
    assert code in (-signal.SIGINT, 130)
    assert output == "lost\nlost\n"
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_when_descriptors_have_run_out_it_sheds_and_goes_on_when_there_are_some() -> None:
    program = Program("""
        import os, resource, socket, time
        made = []
        class Counts(Handler):
            def external_connection_made(self, connection): made.append(connection)
        reports = []
        raw_server.errorfunc = lambda level, text: reports.append(text)
        raw_server.stop_listening(serversocket)
        raw_server.start_listening(serversocket, Counts())
        failed = []
        handler = Handler()
        handler.connection_failed = lambda address, error: failed.append(error)

        def run(condition, seconds):
            deadline = time.monotonic() + seconds
            while not condition() and time.monotonic() < deadline:
                raw_server.listen_once(0.1)

        run(lambda: made, 5.0)
        callers = [socket.socket() for _ in range(10)]
        used = 1 + max(int(name) for name in os.listdir("/dev/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 2, used + 2))
        fill = []
        try:
            while True:
                fill.append(os.dup(0))
        except OSError:
            pass
        for _ in range(2):
            os.close(fill.pop())  # so many can be accepted
        for caller in callers:
            caller.connect(serversocket.getsockname())
        before = time.process_time()
        turns = 0
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            raw_server.listen_once(1.0)
            turns += 1
        assert len(made) == 3, made
        assert time.process_time() - before < 0.3, "it spins"
        assert turns < 20, turns
        assert len(reports) == 1 and "cannot accept" in reports[0], reports
        raw_server.start_connection(serversocket.getsockname(), handler)
        run(lambda: failed, 5.0)
        assert failed[0].errno == 24, failed
        for descriptor in fill:
            os.close(descriptor)
        # In a long shortage those who could not be served were told so by being closed.
        [listener] = raw_server.listeners()
        assert listener.admission.refused == {"descriptors": 8}, listener.admission.refused
        for caller in callers[2:]:
            caller.settimeout(5.0)
            try:
                assert caller.recv(1) == b""
            except ConnectionResetError:
                pass
        for one in made:
            one.close()
        raw_server.listen_once(0.0)
        with socket.create_connection(serversocket.getsockname()):
            run(lambda: len(made) == 4, 10.0)
        assert len(made) == 4, len(made)
        raw_server.close()
        for caller in callers:
            caller.close()
        print("well", flush=True)
    """)
    code, output, errors = program.finish()
    assert code == 0, errors
    assert output.splitlines()[-1] == "well"
