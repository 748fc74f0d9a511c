"""What options and arguments may hold; click turns a ValueError here into a usage error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rawserver.cli.quantity import parse_rate
from rawserver.wire.piece_size import check_piece_size, parse_size
from rawserver.wire.tracker_url import url_problem

# What the trackers of the wild speak. We announce by the first three; others may read the .torrent
# too.
TRACKER_SCHEMES = frozenset({"http", "https", "udp", "ws", "wss"})

Command = TypeVar("Command", bound=Callable[..., Any])


if TYPE_CHECKING:
    AnyParamType = click.ParamType[Any]
else:
    AnyParamType = click.ParamType  # not a generic class before click 8.4


class Parsed(AnyParamType):
    """A parameter whose text is read by a function that raises ValueError with the reason."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def parse_address(text: str) -> tuple[str, int]:
    """Return the host and port of `host:port`, `127.0.0.1:80`, `[::1]:80`; raises ValueError."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if not colon or not host or (":" in host and not bracketed) or any(map(str.isspace, host)):
        raise ValueError(f"{text!r} is not HOST:PORT (an IPv6 address goes in [brackets])")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{text!r}: the port is not a number from 0 to 65535")
    return host, int(port)


def parse_listen(text: str) -> tuple[str, int]:
    """Return where to listen: `6969` is every address (a host of ""); else as `parse_address`."""
    if ":" in text:
        return parse_address(text)
    if not (text.isascii() and text.isdigit() and len(text) < 6) or int(text) > 65535:
        raise ValueError(f"{text!r} is neither a port, 0 to 65535, nor HOST:PORT")
    return "", int(text)


def parse_peer(text: str) -> tuple[str, int]:
    """Return an address that one can dial: its port is not 0."""
    host, port = parse_address(text)
    if port == 0:
        raise ValueError(f"{text!r}: nobody can be dialled at port 0")
    return host, port


def parse_tracker_url(text: str) -> str:
    """Return the URL of a tracker as it stands; raises ValueError when it cannot be one."""
    problem = url_problem(text)
    if problem:
        raise ValueError(f"not a tracker's URL such as http://host:6969/announce: {problem}")
    scheme = text.partition(":")[0].lower()
    if scheme not in TRACKER_SCHEMES:
        raise ValueError(f"{text!r} is not a tracker's URL: none is reached by {scheme}")
    return text


def parse_piece_size(text: str) -> int | None:
    """Return the bytes of a piece, None for `auto`; raises ValueError."""
    if text.strip().lower() == "auto":
        return None
    size = parse_size(text)
    check_piece_size(size)
    return size


def parse_positive(text: str) -> float:
    """Return a number above 0; raises ValueError."""
    value = parse_not_negative(text)
    if value == 0:
        raise ValueError(f"{text!r} is not above 0")
    return value


def parse_count(text: str) -> int:
    """Return a whole number from 1 up; raises ValueError."""
    value = parse_whole(text)
    if value == 0:
        raise ValueError(f"{text!r} is not above 0")
    return value


def parse_whole(text: str) -> int:
    """Return a whole number from 0 up; raises ValueError."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise ValueError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def parse_not_negative(text: str) -> float:
    """Return a finite number that is 0 or more; raises ValueError."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None
    if not 0 <= value < float("inf"):
        raise ValueError(f"{text!r} is not a number from 0 up")
    return value


COUNT = Parsed("N", parse_count)
LISTEN = Parsed("[HOST:]PORT", parse_listen)
PEER = Parsed("HOST:PORT", parse_peer)
PIECE_SIZE = Parsed("SIZE", parse_piece_size)
RATE = Parsed("RATE", parse_rate)
RATIO = Parsed("RATIO", parse_not_negative)
SECONDS = Parsed("SECONDS", parse_not_negative)
WHOLE = Parsed("N", parse_whole)
WHOLE_SECONDS = Parsed("SECONDS", parse_count)
SOME_SECONDS = Parsed("SECONDS", parse_positive)
TRACKER_URL = Parsed("URL", parse_tracker_url)
PORT = click.IntRange(0, 65535)


def json_option(command: Command) -> Command:
    """Add `--json`, which every command takes."""
    return click.option(
        "--json",
        "json_lines",
        is_flag=True,
        help="Print one JSON object per line on stdout and nothing else there.",
    )(command)


def port_option(command: Command) -> Command:
    """Add `--port`, of the commands that have peers."""
    return click.option(
        "--port", type=PORT, default=0, help="Port that peers reach us at; 0 takes any free one."
    )(command)


def https_options(command: Command) -> Command:
    """Add `--ca-file` and `--insecure`, of the commands that ask servers of https://."""
    command = click.option(
        "--insecure",
        is_flag=True,
        help="Take any certificate of https:// servers: whoever is in between can read and change "
        "what passes.",
    )(command)
    return click.option(
        "--ca-file",
        metavar="FILE",
        help="Trust the certificates in this PEM file at https:// servers, in place of those that "
        "the system trusts.",
    )(command)


def upload_limit_option(command: Command) -> Command:
    """Add `--upload-limit`, of the commands that have peers."""
    return click.option(
        "--upload-limit",
        type=RATE,
        default=0,
        help="Bytes per second sent to all peers together, such as 500K or 2M; 0 for no limit.",
    )(command)
