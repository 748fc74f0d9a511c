"""Sockets that whoever started this process opened for it: sd_listen_fds(3) of systemd.

A service that gets its listening sockets so is started at its first connection, needs no right to
its port, and loses no connection while it is started anew. `os_hand_over` hands them on alike.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from typing import NamedTuple

# SD_LISTEN_FDS_START: what comes after standard input, output and error.
FIRST_DESCRIPTOR = 3
# What sd_listen_fds_with_names(3) calls a socket when nobody says its name.
UNNAMED = "unknown"
_VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")


class InheritedSocket(NamedTuple):
    """A socket and the name that its `FileDescriptorName=` gave it, which need not be its own.

    The socket's `family` and `type` are those that the system says it has. `listens` is false for
    datagrams, and for the one connection that a unit with `Accept=yes` is started for.
    """

    name: str
    socket: socket.socket
    listens: bool


def inherited_serversockets(
    environ: MutableMapping[str, str] = os.environ,
) -> list[InheritedSocket]:
    """Return the sockets that were opened for this process, in order; none if there are none.

    To be asked once, at the start: it takes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES out of the
    environment, so that no child takes them for its own, and has no child inherit the sockets.
    ValueError for variables that make no sense, OSError for a descriptor that is no socket.
    """
    pid, _, count, names = (environ.pop(variable, None) for variable in _VARIABLES)
    if pid is None or count is None:
        return []
    if _parse_number("LISTEN_PID", pid) != os.getpid():
        return []  # meant for a process between the one who set it and us
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + _parse_number("LISTEN_FDS", count))
    named = _names(names, len(descriptors))
    sockets: list[InheritedSocket] = []
    try:
        for descriptor, name in zip(descriptors, named, strict=True):
            sockets.append(_take_over(descriptor, name))
    except OSError:
        for taken in sockets:
            taken.socket.detach()  # all or nothing: they are left open as they came
        raise
    return sockets


def _parse_number(variable: str, text: str) -> int:
    # More digits than any system has processes or descriptors; int() of many takes long.
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"{variable} is {text[:40]!r}, which is no number")
    return int(text)


def _names(names: str | None, count: int) -> list[str]:
    if names is None:
        return [UNNAMED] * count
    found = names.split(":") if names or count else []
    if len(found) != count:
        raise ValueError(f"LISTEN_FDNAMES names {len(found)} sockets, LISTEN_FDS says {count}")
    return found


def _take_over(descriptor: int, name: str) -> InheritedSocket:
    try:
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)  # asks the system for its family and type
    except OSError as error:
        text = f"descriptor {descriptor} ({name}) of LISTEN_FDS: {error.strerror}"
        raise OSError(error.errno, text) from None
    listens = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return InheritedSocket(name, sock, listens)
