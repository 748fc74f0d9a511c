"""`rawserver tracker` as people and scripts start it."""

from click.testing import CliRunner

from rawserver.cli.main import rawserver


def test_help_names_the_option_and_its_default() -> None:
    result = CliRunner().invoke(rawserver, ["tracker", "--help"])
    assert result.exit_code == 0
    assert "--http" in result.output
    assert "0.0.0.0:6969" in result.output


def test_a_port_that_is_none_is_wrong_usage() -> None:
    result = CliRunner().invoke(rawserver, ["tracker", "--http", "127.0.0.1:70000"])
    assert result.exit_code == 2
    assert "70000" in result.output
