"""`rawserver tracker` as people and scripts start it."""

from click.testing import CliRunner

from rawserver.cli.command_error import CommandError
from rawserver.cli.main import rawserver


def test_help_names_the_option_and_its_default() -> None:
    result = CliRunner().invoke(rawserver, ["tracker", "--help"])
    assert result.exit_code == 0
    assert "--http" in result.output
    assert "[default: 6969]" in result.output
    for heading in ("Where it listens:", "Peers:", "Which torrents:", "Who may announce:"):
        assert heading in result.output


def test_a_port_that_is_none_is_wrong_usage() -> None:
    result = CliRunner().invoke(rawserver, ["tracker", "--http", "127.0.0.1:70000"])
    assert result.exit_code == 2
    assert "70000" in result.output


def test_options_that_do_not_go_together_are_an_error_in_one_line() -> None:
    result = CliRunner().invoke(rawserver, ["tracker", "--workers", "2"])
    assert isinstance(result.exception, CommandError)
    assert str(result.exception).startswith("--workers need a --store")
