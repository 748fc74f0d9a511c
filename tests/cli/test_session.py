import io
import os
import signal
import subprocess
import sys

import pytest

from rawserver.cli.command_error import CommandError
from rawserver.cli.output import Output
from rawserver.cli.session import Session


def make_session() -> Session:
    return Session(Output(False, io.StringIO(), io.StringIO()))


def never() -> None:
    raise AssertionError("nobody interrupted")


def test_it_runs_until_it_is_finished() -> None:
    session = make_session()
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(session.now)
        if len(ticks) == 3:
            session.finish()

    session.every(0.001, tick)
    session.run(never)
    assert len(ticks) == 3


def test_it_raises_what_it_was_finished_with() -> None:
    session = make_session()
    session.soon(lambda: session.finish(CommandError("no")))
    session.soon(session.finish)
    with pytest.raises(CommandError, match="no"):
        session.run(never)


def test_an_error_in_what_it_runs_ends_it() -> None:
    session = make_session()

    def fail() -> None:
        raise CommandError("broken")

    session.soon(fail)
    with pytest.raises(CommandError, match="broken"):
        session.run(never)


def test_a_command_may_end_an_error_itself() -> None:
    errors: list[BaseException] = []
    session = Session(Output(False, io.StringIO(), io.StringIO()), failed=errors.append)

    def fail() -> None:
        session.soon(session.finish)
        raise CommandError("broken")

    session.soon(fail)
    session.run(never)
    assert [str(error) for error in errors] == ["broken"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    session = make_session()
    before = signal.getsignal(number)
    session.soon(lambda: os.kill(os.getpid(), number))
    interrupts: list[int] = []

    def interrupted() -> None:
        interrupts.append(number)
        session.finish()

    session.run(interrupted)
    assert interrupts == [number]
    assert signal.getsignal(number) == before


def test_the_second_signal_ends_it_at_once() -> None:
    code = (
        "import os, signal\n"
        "from rawserver.cli.output import Output\n"
        "from rawserver.cli.session import Session\n"
        "session = Session(Output())\n"
        "session.soon(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "session.run(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_lost_stdout_ends_it_in_order() -> None:
    output = Output(False, Gone(), io.StringIO())
    session = Session(output)
    session.soon(lambda: output.text("hello"))
    with pytest.raises(BrokenPipeError):
        session.run(session.finish)


def test_what_the_loop_warns_of_goes_to_stderr() -> None:
    stderr = io.StringIO()
    session = Session(Output(True, io.StringIO(), stderr))

    def fail() -> None:
        raise RuntimeError("of no context")

    session.raw_server.add_task(fail)
    session.raw_server.add_task(session.finish, 0.01)
    session.run(never)
    assert "of no context" in stderr.getvalue()
