"""The plugin in runs of pytest of its own."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = "rawserver.simulation.pytest_plugin"
Run = Callable[..., pytest.RunResult]
HANDLERS = """
    class Faulty:
        def external_connection_made(self, connection):
            raise ValueError("this handler has a bug")

    def run_faulty(world):
        server = world.add_host("server", "192.0.2.1")
        caller = world.add_host("caller", "192.0.2.2")
        server.boot(lambda r: r.start_listening(r.create_serversocket(7), Faulty()))
        caller.boot(lambda r: r.start_connection(("192.0.2.1", 7), object()))
        world.run(seconds=5)
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the tests of a file in a process of its own, with no plugin but ours."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(text: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=HANDLERS + text)
        return pytester.runpytest_subprocess("-p", PLUGIN, "-W", "error", *arguments)

    return run


def test_a_world_has_a_seed_of_its_tests_own(run: Run) -> None:
    result = run(
        """
    import pytest

    SEEDS = []

    @pytest.mark.parametrize("number", range(3))
    def test_one(world, number):
        SEEDS.append(world.seed)

    def test_all_differ():
        assert len(set(SEEDS)) == 3, SEEDS
    """
    )
    result.assert_outcomes(passed=4)


def test_the_seed_may_be_given(run: Run) -> None:
    text = """
    def test_one(world):
        assert world.seed == 17
    """
    run(text, "--simulation-seed", "17").assert_outcomes(passed=1)
    result = run(text)
    result.assert_outcomes(failed=1)


def test_a_failure_tells_how_to_see_it_again(run: Run) -> None:
    result = run(
        """
    def test_one(world):
        world.trace.event(world.now, "something", 42)
        world.run(seconds=3)
        assert False
    """,
        "--simulation-seed",
        "5",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- simulation -*",
            "seed 5, 3.000000 s into it, * events, trace *",
            "replay: pytest 'test_it.py::test_one' --simulation-seed 5",
            "last events:",
            "  1000.000000 something 42",
        ]
    )


def test_what_a_handler_raises_fails_the_test_unless_expected(run: Run) -> None:
    result = run(
        """
    def test_one(world):
        run_faulty(world)

    def test_two(world):
        world.faults_expected = True
        run_faulty(world)
    """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: handlers raised:*", "*- simulation -*"])


def test_other_tests_are_left_alone(run: Run) -> None:
    result = run(
        """
    import pytest

    @pytest.fixture
    def world():
        return 7

    def test_a_fixture_of_their_own(world):
        assert world == 7

    def test_that_fails():
        assert False

    @pytest.mark.skip
    def test_that_is_skipped():
        pass
    """
    )
    result.assert_outcomes(passed=1, failed=1, skipped=1)
    assert "simulation" not in result.stdout.str().replace("simulation/", "")


def test_loading_it_loads_no_simulation() -> None:
    code = (
        f"import pytest, sys, rawserver; before = set(sys.modules); import {PLUGIN};"
        "print(sorted(name for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"['rawserver.simulation', '{PLUGIN}']\n"


def test_pyproject_names_it() -> None:
    with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    assert project["entry-points"]["pytest11"] == {"rawserver_simulation": PLUGIN}
