"""`--config FILE`: a command's options in a TOML file; what the command line says goes before."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any, TypeVar

import click

from rawserver.cli.command_error import CommandError, describe

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """Add `--config`. It is read before the other options, for it is where they may be from."""
    return click.option(
        "--config",
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_read,
        help="Take options from this TOML file too: `interval = 600`, `nat-check = 3`, "
        '`trusted-proxy = ["10.0.0.0/8"]`.',
    )(command)


def _read(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    if path is None or ctx.resilient_parsing:
        return
    try:
        with open(path, "rb") as file:
            settings = tomllib.load(file)
    except OSError as error:
        raise CommandError(describe(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: not TOML: {error}") from error
    options = _options_of(ctx.command)
    found = {}
    for name, value in settings.items():
        option = options.get(name)
        if option is None or option is param:
            raise CommandError(f"{path}: there is no option --{name}")
        found[option.name or name] = _value(path, name, option, value)
    ctx.default_map = found


def _options_of(command: click.Command) -> dict[str, click.Option]:
    """Return options by their long name without dashes; a flag's `no-` name is not one."""
    return {
        name[2:]: option
        for option in command.params
        if isinstance(option, click.Option)
        for name in option.opts
        if name.startswith("--")
    }


def _value(path: str, name: str, option: click.Option, value: Any) -> Any:
    if option.is_flag:
        if isinstance(value, bool):
            return value
        raise CommandError(f"{path}: {name} is true or false, not {value!r}")
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, (str, int, float)) and each is not True for each in values):
        raise CommandError(f"{path}: {name} cannot be {value!r}")
    if not option.multiple and isinstance(value, list):
        raise CommandError(f"{path}: {name} is one value, not a list")
    # As on the command line, where all is text: the option's type reads it.
    texts = [str(each) for each in values]
    return texts if option.multiple else texts[0]
