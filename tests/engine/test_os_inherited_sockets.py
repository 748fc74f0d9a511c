import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer
from rawserver.engine import os_inherited_sockets
from rawserver.engine.os_inherited_sockets import UNNAMED, inherited_serversockets


@contextmanager
def handed_over(
    sockets: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """Lay sockets on descriptors in a row, as a service manager does; yields the environment.

    The row begins beyond all that the test process has open itself, not at 3.
    """
    first = max(int(name) for name in os.listdir("/dev/fd")) + 10
    monkeypatch.setattr(os_inherited_sockets, "FIRST_DESCRIPTOR", first)
    for index, sock in enumerate(sockets):
        os.dup2(sock.fileno(), first + index)
        sock.close()
    yield {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), "OTHER": "stays"}


def listening(family: int = socket.AF_INET, address: object = ("127.0.0.1", 0)) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind(address)
    sock.listen()
    return sock


def test_each_comes_with_its_name_family_and_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    one, other = socket.socketpair()
    given = [
        listening(),
        listening(socket.AF_UNIX, str(tmp_path / "s")),
        datagrams,
        one,
    ]
    with handed_over(given, monkeypatch) as environ, other:
        environ["LISTEN_FDNAMES"] = "http:control:dns:"
        found = inherited_serversockets(environ)
        assert environ == {"OTHER": "stays"}
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        assert [(one.name, one.socket.family, one.socket.type, one.listens) for one in found] == [
            ("http", socket.AF_INET, stream, True),
            ("control", socket.AF_UNIX, stream, True),
            ("dns", socket.AF_INET6, datagram, False),
            ("", socket.AF_UNIX, stream, False),
        ]
        assert not any(one.socket.get_inheritable() for one in found)
        for one_found in found:
            one_found.socket.close()


def test_they_serve(raw_server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with handed_over([listening()], monkeypatch) as environ:
        (found,) = inherited_serversockets(environ)
        assert found.name == UNNAMED
        handler = Recorder()
        raw_server.start_listening(found.socket, handler)
        with socket.create_connection(found.socket.getsockname()):
            run_until(raw_server, lambda: handler.connections)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "a"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid())},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0", "LISTEN_FDNAMES": ""},
    ],
)
def test_where_none_are_meant_for_us_there_are_none(variables: dict[str, str]) -> None:
    environ = dict(variables)
    assert inherited_serversockets(environ) == []
    assert not environ


@pytest.mark.parametrize(
    ("variables", "match"),
    [
        ({"LISTEN_PID": "me", "LISTEN_FDS": "1"}, "LISTEN_PID is 'me'"),
        ({"LISTEN_FDS": "-1"}, "LISTEN_FDS is '-1'"),
        ({"LISTEN_FDS": ""}, "LISTEN_FDS is ''"),
        ({"LISTEN_FDS": "1" * 5000}, "no number"),
        ({"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a"}, "names 1 sockets, LISTEN_FDS says 2"),
        ({"LISTEN_FDS": "0", "LISTEN_FDNAMES": "a"}, "names 1 sockets, LISTEN_FDS says 0"),
    ],
)
def test_variables_that_make_no_sense_are_refused(variables: dict[str, str], match: str) -> None:
    environ = {"LISTEN_PID": str(os.getpid()), **variables}
    with pytest.raises(ValueError, match=match):
        inherited_serversockets(environ)
    assert not environ


def test_a_descriptor_that_is_no_socket_is_named_and_the_others_stay_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with handed_over([listening(), listening()], monkeypatch) as environ:
        first = os_inherited_sockets.FIRST_DESCRIPTOR
        with open(os.devnull) as file:
            os.dup2(file.fileno(), first + 1)
        environ["LISTEN_FDNAMES"] = "a:b"
        with pytest.raises(OSError, match=rf"descriptor {first + 1} \(b\)"):
            inherited_serversockets(environ)
        os.close(first + 1)
        environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2")
        with pytest.raises(OSError, match="Bad file descriptor"):
            inherited_serversockets(environ)
        os.close(first)  # still open: EBADF would fail here


def test_a_process_finds_them_from_3_on() -> None:
    # The row that a service manager really makes, in a process of its own. `sh` is the manager.
    program = (
        "import os; from rawserver.engine.os_inherited_sockets import inherited_serversockets; "
        "print([(one.name, one.socket.fileno(), one.socket.getsockname()) "
        "for one in inherited_serversockets()], [name for name in os.environ if 'LISTEN' in name])"
    )
    with listening() as sock:
        shell = 'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a; exec "$@" 3<&0'
        output = subprocess.run(
            ["sh", "-c", shell, "sh", sys.executable, "-W", "ignore", "-c", program],
            stdin=sock,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
        assert output == f"{[('a', 3, sock.getsockname())]} []\n"
