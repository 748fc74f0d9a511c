"""Options from a TOML file."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rawserver.cli.command_error import CommandError
from rawserver.cli.config_file import config_option
from rawserver.cli.parameters import LISTEN


@click.command()
@click.option("--http", type=LISTEN, multiple=True, default=("6969",))
@click.option("--max-peers", type=int, default=10)
@click.option("--rate", type=float, default=0.0)
@click.option("--names/--no-names", default=True)
@click.option("--state")
@config_option
def command(
    http: list[tuple[str, int]], max_peers: int, rate: float, names: bool, state: str | None
) -> None:
    click.echo(f"{list(http)} {max_peers} {rate} {names} {state}")


def run(tmp_path: Path, text: str, *arguments: str) -> str:
    path = tmp_path / "tracker.toml"
    path.write_text(text)
    result = CliRunner().invoke(
        command, ["--config", str(path), *arguments], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_a_file_says_what_the_command_line_does_not(tmp_path: Path) -> None:
    text = 'http = [80, "[::1]:8080"]\nmax-peers = 5\nrate = 2\nnames = false\nstate = "/x"\n'
    assert run(tmp_path, text) == "[('', 80), ('::1', 8080)] 5 2.0 False /x"
    more = run(tmp_path, text, "--max-peers", "7", "--names", "--http", "90")
    assert more == "[('', 90)] 7 2.0 True /x"
    assert run(tmp_path, "http = 80\n").startswith("[('', 80)] 10")
    assert run(tmp_path, "") == "[('', 6969)] 10 0.0 True None"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("max-peers = [1, 2]", "max-peers is one value, not a list"),
        ("max_peers = 1", "there is no option --max_peers"),
        ('config = "x"', "there is no option --config"),
        ('names = "no"', "names is true or false, not 'no'"),
        ("max-peers = true", "max-peers cannot be True"),
        ("state = {a = 1}", "state cannot be {'a': 1}"),
        ("state = 1970-01-01", "state cannot be"),
        ("not toml", "not TOML"),
    ],
)
def test_what_is_wrong_in_it_is_told_by_name(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/tracker.toml: ")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_not_toml(tmp_path: Path) -> None:
    path = tmp_path / "tracker.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError, match="not TOML"):
        CliRunner().invoke(command, ["--config", str(path)], catch_exceptions=False)


def test_a_value_of_the_wrong_kind_is_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "tracker.toml"
    path.write_text('max-peers = "many"')
    result = CliRunner().invoke(command, ["--config", str(path)])
    assert result.exit_code == 2
    assert "'many' is not a valid integer" in result.output


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="none: No such file"):
        CliRunner().invoke(command, ["--config", f"{tmp_path}/none"], catch_exceptions=False)
