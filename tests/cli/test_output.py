import io
import json

import pytest

from rawserver.cli.output import Output


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_with_json_stdout_holds_objects_only() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    output = Output(True, stdout, stderr)
    output.text("for people")
    output.event({"name": "größe \udcff\n"})
    output.note("on the way")
    output.error("it\nbroke")
    lines = [json.loads(line) for line in stdout.getvalue().splitlines()]
    assert lines == [{"name": "größe \udcff\n"}, {"event": "error", "message": "it broke"}]
    assert stderr.getvalue() == "on the way\nrawserver: error: it broke\n"


def test_for_people_there_are_no_objects() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    output = Output(False, stdout, stderr)
    output.event({"a": 1})
    output.text("name: \x1b[31mred")
    output.error("x")
    assert stdout.getvalue() == "name: \\x1b[31mred\n"
    assert stderr.getvalue() == "rawserver: error: x\n"
    output.close()


def test_a_reader_that_goes_away_is_told_of_at_the_end() -> None:
    output = Output(False, Gone(), io.StringIO())
    output.text("one")
    output.text("two")
    with pytest.raises(BrokenPipeError):
        output.close()
