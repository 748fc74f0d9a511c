import logging
from functools import partial
from types import SimpleNamespace

import pytest

from rawserver.engine.fault_reports import FaultReports, Where, call_of


def faults(noisy: bool = True) -> tuple[FaultReports, list[tuple[int, str]]]:
    told: list[tuple[int, str]] = []
    return FaultReports(noisy, lambda level, text: told.append((level, text))), told


def failed() -> ValueError:
    try:
        raise ValueError("of the handler")
    except ValueError as error:
        return error


def test_a_fault_is_told_with_where_it_was_and_how_it_came_there() -> None:
    reports, told = faults()
    connection = SimpleNamespace(ip="192.0.2.1", port=80)
    reports.failed(None, failed(), Where("Some.data_came_in", connection))
    ((level, text),) = told
    assert level == logging.ERROR
    assert text.startswith("Some.data_came_in, with 192.0.2.1:80:\nTraceback")
    assert "in failed" in text
    assert text.endswith("ValueError: of the handler")


def test_a_peer_without_an_address_is_a_local_one() -> None:
    connection = SimpleNamespace(ip="", port=0)
    assert str(Where("a call", connection)) == "a call, with a local peer"
    assert str(Where("a call")) == "a call"


def test_only_who_is_noisy_tells_of_handlers_but_contexts_hear_of_them() -> None:
    reports, told = faults(noisy=False)
    heard: list[tuple[BaseException, Where]] = []
    context = SimpleNamespace(got_exception=lambda *both: heard.append(both))
    error, where = failed(), Where("a call")
    reports.failed(context, error, where)
    assert not told
    assert heard == [(error, where)]


def test_a_context_that_fails_over_a_fault_is_told_of_too() -> None:
    reports, told = faults(noisy=False)

    def got_exception(error: BaseException, where: Where) -> None:
        raise KeyError("of the context")

    reports.failed(SimpleNamespace(got_exception=got_exception), failed(), Where("a call"))
    assert len(told) == 1
    assert "of the context" in told[0][1]
    assert "got_exception" in told[0][1]


def test_what_is_no_error_but_an_end_goes_through() -> None:
    reports, _ = faults()

    def got_exception(error: BaseException, where: Where) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reports.failed(SimpleNamespace(got_exception=got_exception), failed(), Where("a call"))


def test_what_errorfunc_cannot_take_is_written_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def errorfunc(level: int, text: str) -> None:
        raise OSError("no room")

    FaultReports(True, errorfunc).report(logging.WARNING, "something")
    written = capsys.readouterr().err
    assert written.startswith("WARNING: something\n")
    assert "no room" in written


def test_where_stderr_fails_too_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, text: str) -> int:
            raise OSError("no room")

    monkeypatch.setattr("sys.stderr", Full())
    FaultReports(True, None).report(logging.ERROR, "something")


def test_without_an_errorfunc_it_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    FaultReports(True, None).failed(None, failed(), Where("a call"))
    assert capsys.readouterr().err.startswith("ERROR: a call:\nTraceback")


def test_a_function_has_its_qualified_name_and_what_has_none_its_repr() -> None:
    assert call_of(Where.__str__) == "Where.__str__"
    assert call_of(partial(print, 1)).startswith("functools.partial(")
