import socket
import threading

import pytest

from kit.loop import run_until
from rawserver import Config, RawServer, Where
from rawserver.engine.connection_loop import ConnectionLoop
from rawserver.engine.loop import Loop
from rawserver.engine.network import SocketAddress


def make(reports: list[str] | None = None, noisy: bool = True) -> Loop:
    kept = [] if reports is None else reports
    return Loop(None, Config(), None, noisy, lambda level, text: kept.append(text))


def test_a_task_in_the_far_future_does_not_break_the_poll() -> None:
    loop = make()
    loop.add_task(print, float("inf"))
    loop.add_task(print, 1e12)
    loop.add_task(loop.doneflag.set)
    loop.listen_forever()
    assert loop.doneflag.is_set()


def test_it_runs_once_and_says_so() -> None:
    loop = make()
    loop.doneflag.set()
    loop.listen_forever()
    with pytest.raises(RuntimeError, match="ended"):
        loop.listen_once(0.0)
    loop.close()


def test_it_does_not_run_within_itself() -> None:
    reports: list[str] = []
    loop = make(reports)
    loop.add_task(loop.listen_once)
    loop.listen_once(0.0)
    assert "runs already" in reports[0]
    loop.close()


def test_a_log_that_fails_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(level: int, text: str) -> None:
        raise OSError("the disk is full")

    loop = Loop(None, Config(), None, True, fail)
    loop.add_task(divmod, 0.0, (7, 0))
    loop.add_task(loop.doneflag.set)
    loop.listen_forever()
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert "the disk is full" in said


def test_it_is_not_closed_while_it_runs() -> None:
    reports: list[str] = []
    loop = make(reports)
    loop.add_task(loop.close)
    loop.listen_once(0.0)
    assert "set its doneflag" in reports[0]
    ran: list[int] = []
    loop.add_task(ran.append, 0.0, (1,))
    loop.listen_once(0.0)
    assert ran == [1]
    loop.close()


def test_what_cannot_be_added_is_refused_where_it_was_said() -> None:
    loop = make()
    ran: list[int] = []
    with pytest.raises(TypeError):
        loop.external_add_task(ran.append, 0.0, (1,), [])
    loop.external_add_task(ran.append, 0.0, (2,))
    run_until(loop, lambda: ran)
    assert ran == [2]
    loop.close()


def test_a_look_up_is_answered_on_the_loop() -> None:
    loop = make()
    answers: list[tuple[list[SocketAddress], BaseException | None]] = []
    loop.start_look_up("127.0.0.1", 9, socket.SOCK_DGRAM, lambda *said: answers.append(said))
    run_until(loop, lambda: answers)
    assert answers == [([(socket.AF_INET, ("127.0.0.1", 9))], None)]
    loop.close()


def test_a_call_from_another_thread_is_refused_while_it_runs() -> None:
    loop = make()
    caught: list[BaseException] = []
    outcomes = threading.Semaphore(0)

    def intrude() -> None:
        for call in (lambda: loop.add_task(print), loop.check_thread):
            try:
                call()
            except RuntimeError as error:
                caught.append(error)
            outcomes.release()
        loop.external_add_task(loop.doneflag.set)

    loop.add_task(threading.Thread(target=intrude).start)
    loop.listen_forever()
    assert len(caught) == 2
    assert all("external_add_task" in str(error) for error in caught)


def test_work_that_ends_after_the_loop_harms_nobody() -> None:
    loop = make()
    gate, ended = threading.Event(), threading.Event()
    loop.start_work(gate.wait, (10.0,))
    loop.doneflag.set()
    loop.listen_forever()
    gate.set()
    loop.start_work(ended.set)
    assert ended.wait(10.0)
    loop.external_add_task(print)


def test_scanning_early_does_not_make_more_scans(raw_server: RawServer) -> None:
    class Patient:
        def look(self, now: float) -> float | None:
            return None

    raw_server.watch(Patient(), raw_server.now + 1e9)
    for _ in range(10):
        raw_server.scan_for_timeouts()
    assert len(raw_server.tasks) == 1


def test_a_fault_is_told_with_its_traceback_or_not_if_so_wanted() -> None:
    def faulty() -> None:
        raise LookupError("where is it")

    reports: list[str] = []
    loop = make(reports)
    loop.add_task(faulty)
    loop.listen_once(0.0)
    assert "where is it" in reports[0]
    assert "in faulty" in reports[0]
    loop.close()
    quiet: list[str] = []
    loop = make(quiet, noisy=False)
    loop.add_task(faulty)
    loop.listen_once(0.0)
    loop.close()
    assert not quiet


def test_a_fault_of_got_exception_is_told_too() -> None:
    class Context:
        def got_exception(self, error: BaseException, where: Where) -> None:
            raise ValueError("second fault") from error

    reports: list[str] = []
    loop = ConnectionLoop(None, None, None, True, lambda level, text: reports.append(text))
    context = Context()
    loop.add_context(context)
    loop.add_task(lambda: 1 / 0, 0.0, (), context)
    loop.listen_once(0.0)
    assert "ZeroDivisionError" in reports[0]
    assert "second fault" in reports[1]
    loop.close()


def test_work_is_answered_on_the_loop(raw_server: RawServer) -> None:
    answers: list[tuple[object, object, int]] = []

    def done(result: object, error: BaseException | None) -> None:
        answers.append((result, error, threading.get_ident()))

    raw_server.start_work(threading.get_ident, (), done)
    fault = LookupError("no")

    def fail() -> None:
        raise fault

    raw_server.start_work(fail, (), done)
    run_until(raw_server, lambda: len(answers) == 2)
    by_error = {answer[1]: answer for answer in answers}
    assert by_error[fault][0] is None
    assert by_error[None][0] != threading.get_ident()
    assert {answer[2] for answer in answers} == {threading.get_ident()}


def test_an_error_of_work_that_nobody_takes_is_told() -> None:
    reports: list[str] = []
    loop = make(reports)
    loop.start_work(lambda: 1 / 0)
    while not reports:
        loop.listen_once(1.0)
    assert "ZeroDivisionError" in reports[0]
    loop.close()


def test_a_task_that_has_run_is_owned_no_more(raw_server: RawServer) -> None:
    raw_server.add_context("context")
    for _ in range(3):
        raw_server.add_task(int, 0.0, (), "context")
    raw_server.listen_once(0.0)
    assert raw_server._contexts.things("context") == {}
