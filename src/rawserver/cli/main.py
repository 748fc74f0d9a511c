"""The command `rawserver`: finds the sub-command, and turns every error into one line.

A command's file is imported when the command is run, and no earlier: `rawserver make` on a small
file is mostly the time Python takes to import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from rawserver.cli.command_error import CommandError, describe
from rawserver.cli.output import Output

# Each command `x` is the function `x` of the file `x.py`.
COMMANDS = {
    "share": "Make, track and seed files: the one command to send something.",
    "get": "Fetch what a .torrent describes, verified as it comes.",
    "make": "Make a .torrent of a file or folder.",
    "show": "Show what is in a .torrent.",
    "verify": "Compare data with a .torrent: which pieces and files are bad.",
    "edit": "Change a .torrent's trackers, name or comment.",
    "tracker": "Run a tracker, by HTTP, HTTPS and UDP.",
    "simulate": "Run a program on a simulated internet, with many seeds.",
}

BROKEN_PIPE_EXIT_CODE = 1


class LazyGroup(click.Group):
    """A group that knows its commands' names and first lines without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"rawserver.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the version of the installed distribution."""
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"rawserver {version('rawserver')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Send a folder: 'rawserver share FOLDER'; it prints the line to type elsewhere.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=print_version,
    help="Print the version and exit.",
)
def rawserver() -> None:
    """Move big files between machines by BitTorrent, from one process.

    Every command has --help, with examples, and --json for scripts.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 well, 1 an error, 2 wrong usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name may hold what the terminal's encoding has not.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:] if arguments is None else list(arguments))
    sys.exit(flushed(code))


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code. Lets only faults of our own out."""
    output = Output(wants_json(arguments))
    try:
        result = rawserver.main(arguments, prog_name="rawserver", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        output.error(usage_message(error))
        return error.exit_code
    except CommandError as error:
        output.error(str(error))
        return error.exit_code
    except BrokenPipeError:
        return BROKEN_PIPE_EXIT_CODE
    except OSError as error:
        output.error(describe(error))
        return 1
    except (KeyboardInterrupt, click.Abort):
        output.error("interrupted")
        return 130
    return result if isinstance(result, int) else 0


def wants_json(arguments: Sequence[str]) -> bool:
    """Tell whether `--json` stands among the options, before click has read them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return "--json" in arguments[:end]


def usage_message(error: click.UsageError) -> str:
    """Return one line, with the help that would have told."""
    message = error.format_message().rstrip(".")
    path = error.ctx.command_path if error.ctx else "rawserver"
    return f"{message} (see '{path} --help')"


def flushed(code: int) -> int:
    """Flush stdout while a failure of that can still be handled; returns the exit code."""
    try:
        sys.stdout.flush()
    except OSError:
        # The reader went away, or its disk is full. Python would try, and complain, again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or BROKEN_PIPE_EXIT_CODE
    return code
