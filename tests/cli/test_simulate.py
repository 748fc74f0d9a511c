"""The options of `rawserver simulate`."""

import json

import pytest

from rawserver.cli import simulate_run
from rawserver.cli.main import run
from rawserver.cli.simulate import DEFAULT_RUNS, parse_numbers
from rawserver.cli.simulate_run import Simulation


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Simulation]:
    """What would be run."""
    found: list[Simulation] = []

    class Run:
        def __init__(self, output: object, simulation: Simulation) -> None:
            found.append(simulation)

        def run(self) -> int:
            return 1

    monkeypatch.setattr(simulate_run, "SimulateRun", Run)
    return found


def test_one_seed_or_several(asked: list[Simulation]) -> None:
    assert run(["simulate", "x.py"]) == 1
    assert run(["simulate", "x.py", "--seed", "7"]) == 1
    assert run(["simulate", "x.py", "--seed", "7", "--runs", "3"]) == 1
    assert [(one.seed, one.runs) for one in asked] == [(0, DEFAULT_RUNS), (7, 1), (7, 3)]


def test_all_that_may_be_said(asked: list[Simulation]) -> None:
    words = "x.py:f --seed 1 --runs 2 --jobs 3 --hosts 4 --twice --no-shrink --keep-going"
    more = "--faults 3,1 --timeout 5 --pcap d --timeline f --json"
    run(["simulate", *words.split(), *more.split()])
    assert asked == [
        Simulation("x.py:f", 1, 2, 3, 4, True, False, True, (1, 3), 5.0, "d", "f"),
    ]


def test_without_a_scenario_the_built_in_ones_are_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["simulate"]) == 0
    assert "swarm " in capsys.readouterr().out
    assert run(["simulate", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"swarm", "flash-crowd"} <= {event["name"] for event in events}
    assert all(event["event"] == "scenario" and event["description"] for event in events)


@pytest.mark.parametrize(
    "option",
    [
        "--seed -1",
        "--runs 0",
        "--jobs 0",
        "--hosts no",
        "--faults 1;2",
        "--faults ,",
        "--timeout 0",
    ],
)
def test_wrong_options_are_one_line(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "x.py", *option.split()]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_numbers_of_faults() -> None:
    assert parse_numbers("7, 3,7") == (3, 7)
    assert parse_numbers("none") == ()
