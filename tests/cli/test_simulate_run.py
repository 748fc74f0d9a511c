"""`rawserver simulate`, as people and scripts run it."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cli.running import Running
from rawserver.cli import simulate_run
from rawserver.cli.command_error import CommandError
from rawserver.cli.output import Output
from rawserver.cli.simulate_run import SimulateRun, Simulation

SCENARIOS = Path(__file__).parent / "scenarios_of_tests.py"


def simulate(name: str, json_lines: bool = True, **options: Any) -> tuple[int, list[Any], str]:
    """Return the exit code, what was told, and stderr."""
    stdout, stderr = io.StringIO(), io.StringIO()
    options = {"jobs": 2, "runs": 4, **options}
    simulation = Simulation(f"{SCENARIOS}:{name}", **options)
    code = SimulateRun(Output(json_lines, stdout, stderr), simulation).run()
    lines = stdout.getvalue().splitlines()
    return code, [json.loads(line) for line in lines] if json_lines else lines, stderr.getvalue()


def test_seeds_that_pass() -> None:
    code, events, _ = simulate("scenario", seed=5)
    assert code == 0
    *runs, done = events
    assert sorted(run["seed"] for run in runs) == [5, 6, 7, 8]
    assert all(run["event"] == "run" and run["passed"] for run in runs)
    assert done == {"event": "done", "runs": 4, "failed": []}


def test_one_run_tells_what_the_scenario_returned() -> None:
    _, lines, _ = simulate("tells", json_lines=False, runs=1)
    assert lines[0] == "the answer is 42"
    assert lines[1].startswith("seed 0 passed: 0.000 s in 0 events, trace ")
    assert len(lines) == 2


def test_a_failure_is_shrunk_and_told_with_its_replay() -> None:
    code, events, stderr = simulate("fails_from_seed_3", runs=8)
    assert code == 1
    [failure] = [event for event in events if event["event"] == "failure"]
    assert failure["error"] == "AssertionError: the second fault was too much"
    assert f"{SCENARIOS}:" in failure["where"]
    assert len(failure["needed_faults"]) == 1
    assert failure["needed_faults"][0].startswith("3.000 partition")
    assert failure["last"]
    replay = f"rawserver simulate {SCENARIOS}:fails_from_seed_3 --seed 3 --faults 1"
    assert failure["replay"] == replay
    assert "seed 3 failed: AssertionError" in stderr
    # The others are not begun.
    assert events[-1]["runs"] < 8


def test_the_replay_fails_again_and_without_the_fault_it_passes() -> None:
    options: dict[str, Any] = {"seed": 3, "runs": 1, "jobs": 1}
    code, lines, _ = simulate("fails_from_seed_3", json_lines=False, faults=(1,), **options)
    assert code == 1
    assert lines[0].startswith("seed 3 FAILED 10.000 s into it")
    code, _, _ = simulate("fails_from_seed_3", faults=(0, 2), **options)
    assert code == 0


def test_all_seeds_are_run_if_wanted() -> None:
    code, events, _ = simulate("fails_from_seed_3", runs=6, keep_going=True, shrink=False)
    assert code == 1
    assert events[-1] == {"event": "done", "runs": 6, "failed": [3, 4, 5]}
    [failure] = [event for event in events if event["event"] == "failure"]
    assert failure["seed"] == 3
    assert len(failure["needed_faults"]) == 3


def test_a_process_that_dies_is_told_with_its_seed() -> None:
    code, events, _ = simulate("dies", keep_going=True)
    assert code == 1
    assert events[-1] == {"event": "done", "runs": 4, "failed": [2]}
    [failure] = [event for event in events if event["event"] == "failure"]
    assert failure["error"] == "ProcessDied: exit code 7"
    assert failure["replay"].endswith(":dies --seed 2")


def test_a_run_without_an_end_is_a_failure() -> None:
    code, events, _ = simulate("hangs", runs=2, timeout=0.4)
    assert code == 1
    [failure] = [event for event in events if event["event"] == "failure"]
    assert failure["error"] == "ProcessDied: no end within 0.4 s of real time"
    assert failure["seed"] == 1
    assert failure["replay"].endswith(":hangs --seed 1 --timeout 0.4")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("while True: pass", "cannot be imported: no end within 0.4 s of real time"),
        ("import os; os._exit(7)", "cannot be imported: exit code 7"),
        ("raise SystemExit(7)", "cannot be imported: SystemExit: 7"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    monkeypatch.setattr(simulate_run, "BEGIN_SECONDS", 0.4)
    path = tmp_path / "bad.py"
    path.write_text(code)
    simulation = Simulation(str(path), jobs=2, runs=2, timeout=0.4 if "while" in code else None)
    with pytest.raises(CommandError, match=f"bad.py: {said}") as raised:
        SimulateRun(Output(True, io.StringIO(), io.StringIO()), simulation).run()
    assert raised.value.exit_code == 2


def test_a_run_that_is_not_the_same_twice_is_a_failure() -> None:
    code, events, _ = simulate("differs_by_hash", runs=1, twice=True)
    assert code == 1
    assert events[-2]["error"].startswith("NotDeterministic: entry ")
    assert events[-2]["replay"].endswith("--seed 0 --twice")
    assert simulate("scenario", runs=2, twice=True)[0] == 0


def test_what_failed_is_recorded(tmp_path: Path) -> None:
    timeline = tmp_path / "timeline"
    files = {"pcap": str(tmp_path / "pcap"), "timeline": str(timeline)}
    code, events, _ = simulate("fails_from_seed_3", **files)
    assert code == 1
    assert events[-2]["event"] == "failure"
    assert sorted(path.name for path in (tmp_path / "pcap").iterdir()) == ["a.pcap", "b.pcap"]
    # What was written is the run with the one fault that is needed.
    assert timeline.read_text().count("fault begins") == 1


def test_a_single_run_is_recorded_and_many_good_ones_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "pcap"
    assert simulate("scenario", runs=1, pcap=str(folder))[0] == 0
    assert (folder / "a.pcap").exists()
    other = tmp_path / "other"
    _, _, stderr = simulate("scenario", json_lines=False, runs=2, pcap=str(other))
    assert f"nothing failed: {other} is not written" in stderr
    assert not other.exists()


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("nosuch", {}, "there is no function 'nosuch'"),
        ("scenario", {"hosts": 3}, "takes no number of hosts"),
        ("scenario", {"runs": 1, "timeline": "/nowhere/x"}, "/nowhere/x: No such file"),
    ],
)
def test_what_cannot_be_done_is_one_line(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandError, match=said) as raised:
        simulate(name, **options)
    assert raised.value.exit_code == 2


def test_an_interrupt_tells_what_was_running(tmp_path: Path) -> None:
    with Running(tmp_path, "simulate", f"{SCENARIOS}:hangs", "--runs", "2", "--jobs", "2") as one:
        assert one.event()["seed"] == 0
        one.interrupt()
        code, events, stderr = one.end()
    assert code == 130
    assert events[0] == {"event": "done", "runs": 1, "failed": []}
    assert "seeds that were running: 1" in stderr
    assert "Traceback" not in stderr


def test_a_swarm_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "swarm.svg"
    stdout, stderr = io.StringIO(), io.StringIO()
    simulation = Simulation("slow-endgame", jobs=1, hosts=5, plot=str(path))
    assert SimulateRun(Output(True, stdout, stderr), simulation).run() == 0
    assert f"{path}: seed 0" in stderr.getvalue()
    assert "endgame-peer-5" in path.read_text()
    assert "rawserver simulate slow-endgame --seed 0 --hosts 5" in path.read_text()


def test_a_plot_that_cannot_be_written_is_told_before_any_run(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"a plot is a \.png or \.svg"):
        simulate("scenario", plot=str(tmp_path / "a.gif"))
