"""The programs of docs/simulation.md do what they say, and the README's is the example."""

import re
from pathlib import Path
from typing import Any

import pytest

from rawserver.cli.scenario_source import built_in_scenarios
from rawserver.simulation import World, check_determinism, run_seed

ROOT = Path(__file__).resolve().parents[2]


def blocks(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def scenarios() -> list[str]:
    return [block for block in blocks(ROOT / "docs" / "simulation.md") if "scenario(" in block]


def run_block(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(block, "docs/simulation.md", "exec"), names)
    return names


@pytest.mark.parametrize("block", scenarios(), ids=range(len(scenarios())))
def test_every_scenario_passes_and_is_the_same_twice(block: str) -> None:
    scenario = run_block(block)["scenario"]
    for seed in range(5):
        outcome = run_seed(scenario, seed)
        assert outcome.passed, outcome.traceback
    assert check_determinism(scenario, 1) is None


def test_there_are_scenarios() -> None:
    assert len(scenarios()) == 4


def test_every_built_in_scenario_is_listed() -> None:
    text = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
    rows = text.partition("| scenario | what must be so |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", rows, re.MULTILINE)) == set(built_in_scenarios())


def test_every_test_passes() -> None:
    tests = [block for block in blocks(ROOT / "docs" / "simulation.md") if "def test_" in block]
    assert len(tests) == 1
    for name, test in run_block(tests[0]).items():
        if name.startswith("test_"):
            test(World(3))


def test_what_the_readme_shows_is_in_the_example() -> None:
    example = (ROOT / "examples" / "simulation_finds_a_bug.py").read_text(encoding="utf-8")
    shown = [block for block in blocks(ROOT / "README.md") if "Collector" in block]
    assert len(shown) == 1
    for part in shown[0].strip().split("\n\n\n"):
        assert part in example
