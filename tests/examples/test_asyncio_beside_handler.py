import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from interop.peers.program import missing

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "asyncio_beside_handler.py"


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    if find_spec("aiohttp") is None:
        missing("aiohttp")
    with subprocess.Popen(
        [sys.executable, str(EXAMPLE), "0", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.kill()


def test_http_and_echo_are_served_until_it_is_stopped(program: subprocess.Popen[str]) -> None:
    assert program.stdout is not None
    assert program.stderr is not None
    http_port = int(program.stdout.readline().rsplit(":")[-1].rstrip("/\n"))
    echo_port = int(program.stdout.readline().split()[-1])
    with socket.create_connection(("127.0.0.1", echo_port), timeout=20) as echo:
        echo.sendall(b"hello")
        assert echo.recv(5, socket.MSG_WAITALL) == b"hello"
        site = http.client.HTTPConnection("127.0.0.1", http_port, timeout=20)
        site.request("GET", "/")
        assert json.loads(site.getresponse().read()) == {"bytes echoed": 5}
        site.close()
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == 0
        assert echo.recv(1) == b""
    assert program.stderr.read() == ""
