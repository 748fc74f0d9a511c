import runpy
import signal
from pathlib import Path
from typing import Any

import pytest

from kit.loop import run_until
from rawserver import RawServer
from rawserver.http.client import HttpClient
from rawserver.services.tracker import Tracker
from rawserver.wire.bencode import decode

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "tracker.py"
QUERY = f"info_hash={'a' * 20}&peer_id={'b' * 20}&port=1234&left=0"


def test_it_is_for_members_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example itself, but for its port, and on a loop that the test turns."""
    ports: list[int] = []
    listen, listen_udp = Tracker.listen, Tracker.listen_udp

    def listen_anywhere(tracker: Tracker, port: int) -> None:
        listen(tracker, 0, "127.0.0.1")
        ports.append(tracker.port)

    monkeypatch.setattr(Tracker, "listen", listen_anywhere)
    monkeypatch.setattr(
        Tracker, "listen_udp", lambda tracker, port: listen_udp(tracker, 0, "127.0.0.1")
    )
    monkeypatch.setattr(RawServer, "listen_forever", lambda raw_server: None)
    before = signal.getsignal(signal.SIGINT)
    try:
        raw_server = runpy.run_path(str(EXAMPLE))["raw_server"]
    finally:
        signal.signal(signal.SIGINT, before)
    replies: list[Any] = []
    for number, path in enumerate(("/announce", "/member-ann/announce"), 1):
        HttpClient(raw_server).get(
            f"http://127.0.0.1:{ports[0]}{path}?{QUERY}",
            lambda reply, error: replies.append(error or decode(reply.body)),
        )
        run_until(raw_server, lambda number=number: len(replies) == number)
    refused, told = replies
    assert refused[b"failure reason"].startswith(b"members only")
    assert refused[b"retry in"] == b"never"
    assert told[b"complete"] == 1
    raw_server.close()
