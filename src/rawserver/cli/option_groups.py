"""Options under headings, for a command that has too many for one list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


class GroupedOption(click.Option):
    """An option that is shown under the heading `group`."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help shows each group by itself, the others last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, in the order in which they are declared."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(param, "group", ""), []).append(record)
        others = groups.pop("", [])
        for heading, records in [*groups.items(), ("Options", others)]:
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def option_of(group: str) -> Callable[..., Callable[[Any], Any]]:
    """Return `click.option` for the options of a group."""

    def option(*names: str, **settings: Any) -> Callable[[Any], Any]:
        return click.option(*names, cls=GroupedOption, group=group, **settings)

    return option
