"""Several processes of the tracker. Their store is away: each answers from what it knows."""

import io
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from cli.running import DEADLINE_SECONDS, Running
from cli.test_tracker_run import announce
from rawserver.cli.tracker_workers import WorkerOutput

# Nobody listens at port 1.
STORE = ("--store", "redis://127.0.0.1:1/0", "--workers", "2")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        assert isinstance(port, int)
        return port


def wait_for_both(url: str) -> None:
    """Wait until two processes listen at the port of a URL: one is ready before the other."""
    port = f":{int(url.split(':')[2].split('/')[0]):04X}"
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        if sum(row[1].endswith(port) and row[3] == "0A" for row in rows) == 2:
            return
        assert time.monotonic() < deadline


def test_they_serve_and_end_in_good_order(tmp_path: Path) -> None:
    arguments = ("--http", f"127.0.0.1:{free_port()}", *STORE, "--access-log", "log")
    with Running(tmp_path, "tracker", *arguments) as tracker:
        url = tracker.event()["http"]
        wait_for_both(url)
        assert announce(url)[b"complete"] == 1
        tracker.process.send_signal(signal.SIGHUP)
        assert announce(url)[b"complete"] == 1
        tracker.process.send_signal(signal.SIGTERM)
        code, events, stderr = tracker.end()
    assert (code, events) == (0, [])
    assert all(line.startswith(("worker 0: ", "worker 1: ")) for line in stderr.splitlines())
    assert (tmp_path / "log").read_text().count("GET /announce") == 2


@pytest.mark.parametrize("arguments", [("--deny-addresses", "none"), ("--certificate", "none")])
def test_what_none_can_have_is_told_once(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    where = ("--http", f"127.0.0.1:{free_port()}")
    if "--certificate" in arguments:
        where += ("--https", f"127.0.0.1:{free_port()}")
    with Running(tmp_path, "tracker", *where, *STORE, *arguments) as tracker:
        code, events, stderr = tracker.end()
    assert code == 1
    assert [event["event"] for event in events] == ["error"]
    (error,) = [line for line in stderr.splitlines() if "worker" not in line]
    assert error.startswith("rawserver: error: none: ")


def test_a_port_that_is_taken_is_told_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with Running(tmp_path, "tracker", "--http", where, *STORE) as tracker:
            code, events, stderr = tracker.end()
    assert code == 1
    assert [event["event"] for event in events] == ["error"]
    assert f"rawserver: error: http at {where}: Address already in use\n" in stderr
    assert "Traceback" not in stderr


def test_one_that_dies_is_replaced_though_a_file_is_damaged_by_then(tmp_path: Path) -> None:
    denied = tmp_path / "denied"
    denied.write_text("192.0.2.1\n")
    where = ("--http", f"127.0.0.1:{free_port()}", "--no-udp", "--deny-addresses", "denied")
    with Running(tmp_path, "tracker", *where, *STORE) as tracker:
        url = tracker.event()["http"]
        wait_for_both(url)
        denied.write_text("nonsense\n")
        children = Path(f"/proc/{tracker.process.pid}/task/{tracker.process.pid}/children")
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        assert tracker.process.stderr is not None
        seen = ""
        while "rawserver: error: denied:1: 'nonsense'" not in seen:
            seen = tracker.process.stderr.readline()
            assert seen
        assert announce(url)[b"complete"] == 1
        tracker.process.send_signal(signal.SIGTERM)
        # 1 if another of those that cannot begin ends at this moment.
        assert tracker.end()[0] in (0, 1)


def test_each_line_says_which_process_has_it() -> None:
    stderr = io.StringIO()
    output = WorkerOutput(7, json_lines=False, stderr=stderr)
    output.note("one\ntwo")
    output.error("three")
    assert stderr.getvalue() == "worker 7: one\nworker 7: two\nworker 7: rawserver: error: three\n"
