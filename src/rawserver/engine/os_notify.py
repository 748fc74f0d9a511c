"""Telling whoever started this process how it goes: the protocol of sd_notify(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, MutableMapping

# Where the service manager listens, for a process that was started by its predecessor and first
# has to tell that one; see `os_handover`.
MANAGER_NOTIFY_SOCKET = "MANAGER_NOTIFY_SOCKET"


def notify(text: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send lines of "NAME=value"; False if nobody asked for them by NOTIFY_SOCKET.

    OSError if they cannot be sent, ValueError for a NOTIFY_SOCKET that is not a path or an
    abstract name ("@...").
    """
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address[0] not in "/@":
        raise ValueError(f"NOTIFY_SOCKET is {address!r}, neither a path nor an abstract name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + address[1:] if address[0] == "@" else address)
        sock.send(text.encode())
    return True


def notify_ready(environ: MutableMapping[str, str] = os.environ) -> bool:
    """Say that this process serves: to a service manager, or to the one that it takes over from.

    Returns and raises as `notify` does.
    """
    told = notify("READY=1", environ)
    manager = environ.pop(MANAGER_NOTIFY_SOCKET, None)
    if manager is not None:
        environ["NOTIFY_SOCKET"] = manager
    return told
