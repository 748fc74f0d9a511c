import io

import pytest

from rawserver.cli.live_line import LiveLine


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_is_drawn_over_itself() -> None:
    stream = Terminal()
    live = LiveLine(stream)
    live.draw("one")
    live.draw("two")
    live.finish()
    live.finish()
    assert stream.getvalue() == "\rone\x1b[K\rtwo\x1b[K\n"


def test_a_line_that_stays_goes_above() -> None:
    stream = Terminal()
    live = LiveLine(stream)
    live.draw("status")
    live.write_above("note")
    live.clear()
    live.write_above("end")
    assert stream.getvalue() == "\rstatus\x1b[K\r\x1b[Knote\nstatus\r\x1b[Kend\n"


def test_the_line_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()
    LiveLine(stream).draw("x" * 100)
    assert stream.getvalue().count("x") == 29


def test_what_is_no_terminal_gets_only_the_lines_that_stay() -> None:
    stream = io.StringIO()
    live = LiveLine(stream)
    live.draw("status")
    live.write_above("note")
    live.finish()
    assert stream.getvalue() == "note\n"
