import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli.torrents import folder_torrent
from rawserver.cli import main as main_module
from rawserver.cli.main import COMMANDS, main, run, wants_json


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--json" in shown
    assert "Example" in shown


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from rawserver.cli.main import run; run(['--help']);"
        "print(sorted(name for name in sys.modules if name.startswith(('rawserver.services',"
        " 'rawserver.http', 'rich', 'rawserver.cli.share'))), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("rawserver 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["show"],
        ["show", "a", "b"],
        ["show", "--colour", "a"],
        ["make", "a", "-o", "b", "--piece-size", "0"],
        ["share", "a", "--port", "70000"],
        ["share", "a", "--upload-limit", "fast"],
        ["make", "a", "-o", "b", "--announce", "garbage"],
        ["get", "a", "--peer", "nowhere"],
        ["get", "a", "--timeout", "0"],
        ["tracker", "--http", "80x"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("rawserver: error: ")
    assert captured.err.count("\n") == 1
    event = json.loads(captured.out)
    assert event["event"] == "error"
    assert f"rawserver: error: {event['message']}\n" == captured.err


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "Commands" in capsys.readouterr().err


def test_json_is_found_before_the_options_are_read() -> None:
    assert wants_json(["show", "--json"])
    assert not wants_json(["show", "--", "--json"])


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (OSError(28, "No space left on device", "out"), 1, "out: No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (BrokenPipeError(), 1, None),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException,
    code: int,
    line: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def failing() -> None:
        raise error

    monkeypatch.setattr(main_module.LazyGroup, "get_command", lambda *_: failing)
    assert run(["failing"]) == code
    # click goes to the next line when the terminal has just shown ^C
    assert capsys.readouterr().err.lstrip("\n") == (f"rawserver: error: {line}\n" if line else "")


def test_main_exits_with_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["show", "/nowhere/x.torrent"])
    assert exit_.value.code == 1
    assert "/nowhere/x.torrent: No such file" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    torrent = tmp_path / "many.torrent"
    torrent.write_bytes(folder_torrent("many", {f"file-{n}": b"x" for n in range(5000)}))
    reader, writer = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "rawserver", "show", str(torrent)],
        stdout=writer,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writer)
        os.read(reader, 10)
        os.close(reader)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1
