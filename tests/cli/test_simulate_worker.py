"""The process that runs seeds, as a function of lines."""

import io
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rawserver.cli.simulate_worker import serve, worker_command

SCENARIOS = str(Path(__file__).parent / "scenarios_of_tests.py")


def replies_to(*requests: dict[str, Any], name: str = "scenario", hosts: int | None = None) -> Any:
    replies = io.StringIO()
    settings = {"scenario": f"{SCENARIOS}:{name}", "hosts": hosts}
    serve(settings, [json.dumps(request) for request in requests], replies)
    return [json.loads(line) for line in replies.getvalue().splitlines()]


def test_it_says_that_it_is_ready_and_answers_each_request() -> None:
    ready, first, second = replies_to({"seed": 1}, {"seed": 2, "kept": []})
    assert ready == {"ready": True}
    assert first["outcome"]["passed"]
    assert first["divergence"] == ""
    assert (second["outcome"]["seed"], second["outcome"]["kept"]) == (2, [])


def test_a_scenario_that_cannot_be_had_is_refused() -> None:
    [refused] = replies_to({"seed": 1}, name="nosuch")
    assert "no function 'nosuch'" in refused["refused"]
    [refused] = replies_to({"seed": 1}, hosts=3)
    assert "takes no number of hosts" in refused["refused"]


def test_hosts_are_given_on() -> None:
    _, reply = replies_to({"seed": 1}, name="with_hosts", hosts=3)
    assert reply["outcome"]["error"] == "AssertionError: 3 hosts"


def test_a_failure_is_shrunk() -> None:
    _, failed = replies_to({"seed": 3}, name="fails_from_seed_3")
    assert len(failed["outcome"]["faults"]) == 3
    _, reply = replies_to({"seed": 3, "failure": failed["outcome"]}, name="fails_from_seed_3")
    assert reply["outcome"]["kept"] == [1]
    assert reply["shrinking_runs"] > 1


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere" / "timeline")
    _, reply = replies_to({"seed": 1, "timeline": path})
    assert reply == {"refused": f"{path}: No such file or directory"}


def test_a_run_is_compared_with_one_of_other_hashes() -> None:
    _, reply = replies_to({"seed": 1, "twice": True})
    assert reply["divergence"] == ""
    _, reply = replies_to({"seed": 1, "twice": True}, name="differs_by_hash")
    assert reply["divergence"].startswith("entry ")
    _, reply = replies_to({"seed": 1, "twice": True}, name="dies_in_its_second_run")
    assert reply["divergence"] == "the process of its second run died"


@contextmanager
def at_work(name: str, seed: int) -> Iterator[subprocess.Popen[str]]:
    """A worker that has been asked for a run."""
    pipe = subprocess.PIPE
    command = worker_command(f"{SCENARIOS}:{name}", None)
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as worker:
        try:
            assert worker.stdin is not None
            assert worker.stdout is not None
            assert json.loads(worker.stdout.readline()) == {"ready": True}
            worker.stdin.write(json.dumps({"seed": seed}) + "\n")
            worker.stdin.flush()
            yield worker
        finally:
            worker.kill()


def test_a_run_ends_when_nobody_is_left_to_hear_of_it() -> None:
    with at_work("hangs", 1) as worker:
        stdout, stderr = worker.communicate(timeout=30)
    assert (worker.returncode, stdout, stderr) == (0, "", "")


def test_a_run_that_is_ended_says_where_it_was() -> None:
    with at_work("says_that_it_hangs", 1) as worker:
        assert worker.stderr is not None
        assert worker.stderr.readline() == "it hangs\n"
        worker.send_signal(signal.SIGTERM)
        assert "in says_that_it_hangs" in worker.stderr.read()
        assert worker.wait(30) == -signal.SIGTERM


def test_a_scenario_that_reads_takes_no_request() -> None:
    with at_work("reads", 1) as worker:
        assert worker.stdout is not None
        assert json.loads(worker.stdout.readline())["outcome"]["passed"]
