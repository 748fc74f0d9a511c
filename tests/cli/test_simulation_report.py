"""What came of simulations, as lines and for scripts."""

from rawserver.cli.simulation_report import (
    MOST_FAULTS,
    describe_failure,
    describe_progress,
    describe_run,
    describe_runs,
    failure_event,
    run_event,
)
from rawserver.simulation.outcome import Outcome

PASSED = Outcome(3, True, virtual_seconds=61.5, events=12345, trace_hash="abc")
FAILED = Outcome(
    4,
    False,
    "ValueError: 1",
    "a.py:3, in f",
    "Traceback\nValueError: 1",
    2.5,
    100,
    "abc",
    ("first", "last"),
    ("1001.0 host: broken\nmore",),
    ("one", "two", "three"),
    (1,),
)
REPLAY = ["rawserver", "simulate", "a b.py", "--seed", "4"]


def test_a_run_that_passed() -> None:
    assert describe_run(PASSED) == ["seed 3 passed: 61.500 s in 12,345 events, trace abc"]
    assert run_event(PASSED)["virtual_seconds"] == 61.5


def test_a_failure_has_all_that_is_needed() -> None:
    lines = describe_failure(FAILED, REPLAY, 9)
    assert lines[0] == "seed 4 FAILED 2.500 s into it (at 1002.500000), after 100 events"
    assert lines[2:4] == ["ValueError: 1", "  a.py:3, in f"]
    for line in ("Traceback", "  1001.0 host: broken", "  more", "  1: two", "  first", "  last"):
        assert line in lines
    assert "faults that it needs: 1 of 3 (9 runs)" in lines
    assert "  0: one" not in lines
    assert lines[-1] == "replay: rawserver simulate 'a b.py' --seed 4"


def test_without_shrinking_all_faults_are_told() -> None:
    everything = Outcome(1, False, "x", faults=tuple(map(str, range(50))))
    lines = describe_failure(everything, REPLAY, 0)
    assert lines[0] == "seed 1 FAILED"
    assert "faults: 50 of 50" in lines
    assert f"  and {50 - MOST_FAULTS} more (--json has all)" in lines


def test_a_handlers_fault_that_is_the_failure_is_told_once() -> None:
    fault = "1001.0 host: broken"
    lines = describe_failure(Outcome(1, False, "x", "", fault, handler_faults=(fault,)), REPLAY, 0)
    assert lines.count(fault) == 1
    assert "handlers raised:" not in lines


def test_a_failure_that_needs_no_fault_says_so() -> None:
    outcome = Outcome(1, False, "x", faults=("one",), kept=())
    assert "faults that it needs: none of 1 (1 run)" in describe_failure(outcome, REPLAY, 1)


def test_scripts_hear_the_same() -> None:
    event = failure_event(FAILED, REPLAY, 9)
    assert event["needed_faults"] == ["two"]
    assert event["shrinking_runs"] == 9
    assert event["replay"] == "rawserver simulate 'a b.py' --seed 4"
    assert event["last"] == ("first", "last")


def test_all_runs_together() -> None:
    assert describe_runs([PASSED, PASSED], 2, 1.25) == (
        "2 seeds, all passed: 2:03 of virtual time, 24,690 events in 1.2 s"
    )
    assert describe_runs([PASSED, FAILED], 20, 1.0).startswith("2 of 20 seeds, 1 failed: ")
    assert describe_runs([], 20, 1.0).startswith("0 of 20 seeds, none ended: ")


def test_progress_names_the_seeds_that_run() -> None:
    line = describe_progress("here/a.py", 10, 20, 5.0, [11, 12])
    assert line == "a.py  10 of 20 seeds  2.0 seeds/s  running 11, 12  (^C ends)"
