import runpy
import signal
import socket
import threading
from pathlib import Path

import pytest

from kit.loop import run_until
from rawserver import RawServer

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "echo.py"


def test_what_is_said_comes_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example itself, but for its port, and on a loop that the test turns."""
    servers: list[RawServer] = []
    create = RawServer.create_serversocket
    monkeypatch.setattr(
        RawServer, "create_serversocket", lambda self, port: create(self, 0, "127.0.0.1")
    )
    monkeypatch.setattr(RawServer, "listen_forever", lambda self: servers.append(self))
    before = signal.getsignal(signal.SIGINT)
    try:
        runpy.run_path(str(EXAMPLE))
    finally:
        signal.signal(signal.SIGINT, before)
    [raw_server] = servers
    [listener] = raw_server.listeners()
    heard: list[bytes] = []

    def talk() -> None:
        with socket.create_connection(listener.serversocket.getsockname(), timeout=20) as caller:
            caller.sendall(b"hello")
            heard.append(caller.recv(5, socket.MSG_WAITALL))

    thread = threading.Thread(target=talk)
    thread.start()
    run_until(raw_server, lambda: heard)
    thread.join(20)
    assert heard == [b"hello"]
    assert capsys.readouterr().out == "hello, 127.0.0.1\n"
    raw_server.close()
