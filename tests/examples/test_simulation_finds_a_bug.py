"""The example of the README: seeds find the bug, and nothing in the handler without it."""

import importlib.util
from pathlib import Path

from rawserver.simulation import check_determinism, run_seed
from rawserver.simulation.scenario import Scenario, load_scenario

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "simulation_finds_a_bug.py"
BUG = "if len(begun) < length:"
REPAIRED = "if len(begun) < 4 + length:"


def test_seeds_find_it_and_most_do_not() -> None:
    scenario = load_scenario(str(EXAMPLE))
    outcomes = [run_seed(scenario, seed) for seed in range(100)]
    failed = [outcome for outcome in outcomes if not outcome.passed]
    assert 1 <= len(failed) <= 25
    assert {outcome.error.partition(":")[0] for outcome in failed} == {"AssertionError"}
    assert check_determinism(scenario, failed[0].seed) is None


def test_the_repaired_handler_passes(tmp_path: Path) -> None:
    repaired = tmp_path / "repaired.py"
    text = EXAMPLE.read_text()
    assert text.count(BUG) == 1
    repaired.write_text(text.replace(BUG, REPAIRED))
    scenario = scenario_of(repaired)
    assert [seed for seed in range(100) if not run_seed(scenario, seed).passed] == []


def scenario_of(path: Path) -> Scenario:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Scenario = module.scenario
    return found


def test_the_handler_is_of_thirty_lines() -> None:
    text = EXAMPLE.read_text().partition("class Collector")[2].partition("\n\n\n")[0]
    assert len(text.splitlines()) <= 30
