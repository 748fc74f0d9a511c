"""Options under headings."""

import click
from click.testing import CliRunner

from rawserver.cli.option_groups import GroupedCommand, option_of

first, second = option_of("First things"), option_of("Second things")


@click.command(cls=GroupedCommand)
@first("--one", default=1, help="The one.")
@second("--two", is_flag=True, help="The two.")
@first("--three", help="The three.")
@click.option("--other", help="The other.")
def command(one: int, two: bool, three: str | None, other: str | None) -> None:
    click.echo(f"{one} {two} {three} {other}")


def test_help_has_them_by_group_and_the_rest_at_the_end() -> None:
    output = CliRunner().invoke(command, ["--help"]).output
    places = [
        output.index(text)
        for text in ("First things:", "--one", "--three", "Second things:", "--two",
                     "Options:", "--other", "--help")
    ]  # fmt: skip
    assert places == sorted(places)


def test_they_are_options_like_any_other() -> None:
    result = CliRunner().invoke(command, ["--one", "5", "--two"])
    assert result.output == "5 True None None\n"
