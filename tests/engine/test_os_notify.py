import socket
import sys
from pathlib import Path

import pytest

from rawserver.engine.os_notify import MANAGER_NOTIFY_SOCKET, notify, notify_ready


def listening(address: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(address)
    sock.setblocking(False)
    return sock


def test_readiness_is_one_datagram_to_a_path(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with listening(path) as sock:
        environ = {"NOTIFY_SOCKET": path}
        assert notify_ready(environ)
        assert sock.recv(100) == b"READY=1"
        assert environ == {"NOTIFY_SOCKET": path}
        assert notify("STATUS=serves\nMAINPID=7", environ)
        assert sock.recv(100) == b"STATUS=serves\nMAINPID=7"


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_an_abstract_name_is_reached_too(tmp_path: Path) -> None:
    name = f"rawserver-{tmp_path}"
    with listening("\0" + name) as sock:
        assert notify("READY=1", {"NOTIFY_SOCKET": "@" + name})
        assert sock.recv(100) == b"READY=1"


def test_where_nobody_asked_nothing_is_sent() -> None:
    assert not notify_ready({})
    assert not notify("READY=1", {"NOTIFY_SOCKET": ""})


def test_after_the_predecessor_the_manager_is_told(tmp_path: Path) -> None:
    first, then = str(tmp_path / "predecessor"), str(tmp_path / "manager")
    with listening(first) as predecessor, listening(then) as manager:
        environ = {"NOTIFY_SOCKET": first, MANAGER_NOTIFY_SOCKET: then}
        assert notify_ready(environ)
        assert environ == {"NOTIFY_SOCKET": then}
        assert predecessor.recv(100) == b"READY=1"
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        notify("STOPPING=1", environ)
        assert manager.recv(100) == b"STOPPING=1"


def test_what_cannot_be_told_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        notify_ready({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    with pytest.raises(ValueError, match="'vsock:2:1', neither"):
        notify_ready({"NOTIFY_SOCKET": "vsock:2:1"})
