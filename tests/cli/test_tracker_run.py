"""The tracker command as a process."""

import socket
import urllib.request
from pathlib import Path

from cli.running import Running
from rawserver.wire.bencode import decode


def test_it_tracks_until_interrupted(tmp_path: Path) -> None:
    with Running(tmp_path, "tracker", "--http", "127.0.0.1:0") as tracker:
        ready = tracker.event()
        assert ready["event"] == "ready"
        url = ready["http"]
        assert url.endswith("/announce")
        query = f"info_hash={'a' * 20}&peer_id={'b' * 20}&port=1234&left=0"
        with urllib.request.urlopen(f"{url}?{query}", timeout=10) as reply:
            answer = decode(reply.read())
        assert isinstance(answer, dict)
        assert answer[b"complete"] == 1
        with urllib.request.urlopen(url.removesuffix("announce"), timeout=10) as reply:
            assert b"1 torrent, 1 peer." in reply.read()
        tracker.interrupt()
        code, events, stderr = tracker.end()
    assert (code, events, stderr) == (0, [], "")


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Running(tmp_path, "tracker", "--http", f"127.0.0.1:{port}") as tracker:
            code, events, stderr = tracker.end()
    assert code == 1
    assert [event["event"] for event in events] == ["error"]
    assert stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in stderr
