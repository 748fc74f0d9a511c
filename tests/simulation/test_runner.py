"""A scenario run with a seed, and what came of it."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rawserver.simulation.runner import handler_faults, run_seed
from rawserver.simulation.world import World
from simulation.pairs import Caller, Faulty, add_pair, echo, fails_by_faults, faulty


def test_a_scenario_passes_and_is_described() -> None:
    outcome = run_seed(echo, 7)
    assert outcome.passed
    assert (outcome.seed, outcome.error, outcome.where, outcome.kept) == (7, "", "", None)
    assert 0 < outcome.virtual_seconds < 5
    assert outcome.events > 5
    assert "SYN 192.0.2.2" in outcome.last[0]


def test_the_same_seed_is_the_same_and_another_is_not() -> None:
    def draws(world: World) -> None:
        world.trace.event(world.now, "drawn", world.random.random())

    assert run_seed(echo, 1) == run_seed(echo, 1)
    assert run_seed(draws, 1).trace_hash != run_seed(draws, 2).trace_hash


def test_what_a_scenario_raises_is_its_failure_with_the_line() -> None:
    def fails(world: World) -> None:
        world.run(seconds=3)
        raise LookupError("it is\nnot there")

    outcome = run_seed(fails, 1)
    assert not outcome.passed
    assert outcome.error == "LookupError: it is not there"
    assert outcome.where == f"{__file__}:{fails.__code__.co_firstlineno + 2}, in fails"
    assert outcome.traceback.count("File") == 1
    assert outcome.virtual_seconds == 3


def test_a_program_that_exits_has_failed() -> None:
    assert run_seed(lambda world: sys.exit(3), 1).error == "SystemExit: 3"


def test_an_interrupt_ends_the_whole() -> None:
    def interrupted(world: World) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_seed(interrupted, 1)


def test_what_a_handler_raises_is_a_failure() -> None:
    outcome = run_seed(faulty, 1)
    assert outcome.error == "HandlerFault: ValueError: this handler has a bug"
    assert "pairs.py:" in outcome.where
    assert outcome.where.endswith(", in data_came_in")
    assert "server: Faulty.data_came_in, with 192.0.2.2" in outcome.handler_faults[0]


def test_unless_the_scenario_expects_it() -> None:
    def expects(world: World) -> None:
        world.faults_expected = True
        faulty(world)

    outcome = run_seed(expects, 1)
    assert outcome.passed
    assert len(outcome.handler_faults) == 1


def test_faults_are_told_in_the_order_of_time() -> None:
    world = World()
    for name, at in (("late", 2.0), ("early", 1.0)):
        host = world.add_host(name, f"192.0.2.{len(world.hosts) + 1}")
        host.reports += [(at, 40, "broken"), (at, 20, "only said")]
    assert handler_faults(world) == ["1.000000 early: broken", "2.000000 late: broken"]


def test_touching_the_real_world_is_a_failure_that_names_the_line() -> None:
    def looks(world: World) -> None:
        world.schedule(1, lambda: time.time())
        world.run()

    outcome = run_seed(looks, 1)
    assert outcome.error.startswith("RealWorldError: time.time()")
    assert f"{__file__}:{looks.__code__.co_firstlineno + 1}" in outcome.error


def test_hosts_are_given_on() -> None:
    def counts(world: World, hosts: int = 1) -> None:
        assert hosts == 9

    assert run_seed(counts, 1, hosts=9).passed
    assert not run_seed(counts, 1).passed


def test_only_the_faults_that_are_kept_happen() -> None:
    def scenario(world: World) -> None:
        add_pair(world, Faulty(), Caller())
        fails_by_faults(world, {0, 2}, 3)

    everything = run_seed(scenario, 1)
    assert everything.error == "AssertionError: all came together"
    assert [number for number, _ in everything.happened()] == [0, 1, 2]
    part = run_seed(scenario, 1, kept=[2, 1])
    assert part.passed
    assert part.kept == (1, 2)
    assert [number for number, _ in part.happened()] == [1, 2]


def test_a_timeline_and_captures_change_nothing(tmp_path: Path) -> None:
    timeline, pcap = tmp_path / "timeline", tmp_path / "pcap"
    outcome = run_seed(echo, 1, timeline=str(timeline), pcap=str(pcap))
    assert outcome == run_seed(echo, 1)
    entries = [json.loads(line) for line in timeline.read_text().splitlines()]
    assert entries[0]["packet"] == "SYN"
    assert sorted(path.name for path in pcap.iterdir()) == ["caller.pcap", "server.pcap"]


def test_files_that_cannot_be_written_are_no_failure_of_the_scenario(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run_seed(echo, 1, timeline=str(tmp_path / "nowhere" / "timeline"))


class Table:
    def as_dict(self) -> dict[str, Any]:
        return {"rows": 2}

    def lines(self) -> list[str]:
        return ["one", "two"]


def test_what_a_scenario_returns_is_told() -> None:
    outcome = run_seed(lambda world: Table(), 1)
    assert outcome.result == {"rows": 2}
    assert outcome.result_lines == ("one", "two")
    assert run_seed(lambda world: 7, 1).result is None
