"""The tracker command as a process."""

import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from cli.running import DEADLINE_SECONDS, Running
from cli.tracker_options_of_tests import tracker_options
from kit.certificates import Authority
from rawserver.cli import tracker_run
from rawserver.cli.output import Output
from rawserver.cli.tracker_run import run_tracker
from rawserver.wire.bencode import decode

QUERY = f"info_hash={'a' * 20}&peer_id={'b' * 20}&port=1234&left=0"


def fetch(url: str, context: ssl.SSLContext | None = None) -> bytes:
    with urllib.request.urlopen(url, timeout=10, context=context) as reply:
        body = reply.read()
    assert isinstance(body, bytes)
    return body


def announce(url: str, query: str = QUERY, context: ssl.SSLContext | None = None) -> Any:
    return decode(fetch(f"{url}?{query}", context))


def test_it_tracks_until_interrupted(tmp_path: Path) -> None:
    with Running(tmp_path, "tracker", "--http", "127.0.0.1:0") as tracker:
        ready = tracker.event()
        assert ready["event"] == "ready"
        url = ready["http"]
        assert url.endswith("/announce")
        assert ready["udp"] == url.replace("http", "udp")
        assert ready["urls"] == [url, ready["udp"]]
        assert announce(url)[b"complete"] == 1
        assert b"1 torrent, 1 peer" in fetch(url.removesuffix("announce"))
        tracker.interrupt()
        code, events, stderr = tracker.end()
    assert (code, events, stderr) == (0, [], "")


def test_sighup_before_it_serves_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[object] = []

    class Beginning:
        def __init__(self, *about: object) -> None:
            pass

        def run(self) -> None:
            signal.raise_signal(signal.SIGHUP)
            came.append(signal.getsignal(signal.SIGHUP))

    before = signal.getsignal(signal.SIGHUP)
    monkeypatch.setattr(tracker_run, "TrackerRun", Beginning)
    monkeypatch.setattr(tracker_run, "want_descriptors", lambda: None)
    run_tracker(Output(True), tracker_options())
    assert came == [signal.SIG_IGN]
    assert signal.getsignal(signal.SIGHUP) == before


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Running(tmp_path, "tracker", "--http", f"127.0.0.1:{port}") as tracker:
            code, events, stderr = tracker.end()
    assert code == 1
    assert [event["event"] for event in events] == ["error"]
    assert stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in stderr


def test_so_is_one_that_is_taken_by_udp_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with Running(tmp_path, "tracker", "--http", f"127.0.0.1:{port}") as tracker:
            code, _, stderr = tracker.end()
    assert code == 1
    assert stderr == f"rawserver: error: udp at 127.0.0.1:{port}: Address already in use\n"


@pytest.mark.parametrize(
    ("listening", "schemes"),
    [
        (("--udp", "127.0.0.1:0"), {"udp"}),
        (("--https", "127.0.0.1:0"), {"https", "udp"}),
        (("--https", "127.0.0.1:0", "--no-udp"), {"https"}),
    ],
)
def test_it_need_not_speak_http(
    tmp_path: Path, listening: tuple[str, ...], schemes: set[str]
) -> None:
    identity = Authority(tmp_path).issue("127.0.0.1")
    pair = ("--certificate", str(identity.certificate), "--key", str(identity.key))
    arguments = (*listening, *(pair if "https" in schemes else ()))
    with Running(tmp_path, "tracker", "--no-http", *arguments) as tracker:
        ready = tracker.event()
        assert set(ready) - {"event", "urls"} == schemes
        tracker.interrupt()
        assert tracker.end()[0] == 0


def test_a_state_that_cannot_be_saved_is_told_of_at_once(tmp_path: Path) -> None:
    for path in ("none/state", "/proc/state"):
        with Running(tmp_path, "tracker", "--http", "127.0.0.1:0", "--state", path) as tracker:
            code, _, stderr = tracker.end()
        assert code == 1
        assert stderr.startswith("rawserver: error: --state")
        assert stderr.count("\n") == 1


def test_a_state_that_is_lost_at_the_end_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    arguments = ("--http", "127.0.0.1:0", "--state", "folder/state")
    with Running(tmp_path, "tracker", *arguments) as tracker:
        tracker.event()
        folder.rmdir()
        tracker.interrupt()
        code, _, stderr = tracker.end()
    assert code == 1
    assert stderr.splitlines() == [
        "the tracker's state was not saved: folder/state: No such file or directory",
        "rawserver: error: what the tracker knew since the last save is lost",
    ]


@pytest.mark.parametrize(
    "arguments",
    ["--torrents none", "--https 127.0.0.1:0 --certificate none.pem", "--config none.toml"],
)
def test_a_file_that_is_not_there_is_told_in_one_line(tmp_path: Path, arguments: str) -> None:
    with Running(tmp_path, "tracker", "--http", "127.0.0.1:0", *arguments.split()) as tracker:
        code, _, stderr = tracker.end()
    assert code == 1
    assert stderr.count("\n") == 1
    assert "none" in stderr


def test_peers_survive_a_restart(tmp_path: Path) -> None:
    for complete in (1, 2):
        peer = f"info_hash={'a' * 20}&peer_id={str(complete) * 20}&port=1234&left=0"
        with Running(tmp_path, "tracker", "--http", "127.0.0.1:0", "--state", "state") as tracker:
            url = tracker.event()["http"]
            assert announce(url, peer)[b"complete"] == complete
            tracker.interrupt()
            assert tracker.end()[0] == 0


def test_a_damaged_state_is_told_of_and_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"junk")
    with Running(tmp_path, "tracker", "--http", "127.0.0.1:0", "--state", "state") as tracker:
        url = tracker.event()["http"]
        assert announce(url)[b"complete"] == 1
        tracker.interrupt()
        code, _, stderr = tracker.end()
    assert code == 0
    assert stderr.startswith("state: ")
    assert (tmp_path / "state.damaged").read_bytes() == b"junk"


def test_sighup_has_it_read_its_files_again(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(f"{(b'x' * 20).hex()}\n")
    arguments = ("--http", "127.0.0.1:0", "--allow-hashes", "allowed", "--access-log", "log")
    with Running(tmp_path, "tracker", *arguments) as tracker:
        url = tracker.event()["http"]
        assert b"failure reason" in announce(url)
        allowed.write_text(f"{(b'a' * 20).hex()}\n")
        (tmp_path / "log").rename(tmp_path / "log.1")
        tracker.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while b"failure reason" in announce(url):
            assert time.monotonic() < deadline
        tracker.interrupt()
        code, _, stderr = tracker.end()
    assert (code, stderr) == (0, "")
    assert "GET /announce?" in (tmp_path / "log").read_text()


def test_https_beside_http_and_options_from_a_file(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    identity = authority.issue("127.0.0.1")
    (tmp_path / "tracker.toml").write_text(
        'http = "127.0.0.1:0"\nhttps = "127.0.0.1:0"\nno-udp = true\ninfo-page = false\n'
    )
    pair = ("--certificate", str(identity.certificate), "--key", str(identity.key))
    with Running(tmp_path, "tracker", "--config", "tracker.toml", *pair) as tracker:
        ready = tracker.event()
        assert "udp" not in ready
        context = ssl.create_default_context(cafile=str(authority.path))
        assert announce(ready["https"], context=context)[b"complete"] == 1
        assert announce(ready["http"])[b"complete"] == 1
        tracker.process.send_signal(signal.SIGHUP)
        assert announce(ready["https"], context=context)[b"complete"] == 1
        tracker.interrupt()
        assert tracker.end()[0] == 0


def test_a_store_without_hiredis_is_told_in_one_line() -> None:
    command = (
        "import sys; sys.modules['hiredis'] = None; from rawserver.cli.main import main; "
        "main(['tracker', '--http', '127.0.0.1:0', '--store', 'redis://127.0.0.1/0'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr == (
        "rawserver: error: --store: a store in Redis or Valkey needs hiredis: "
        "pip install 'rawserver[redis]'\n"
    )
