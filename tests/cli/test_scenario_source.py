"""Files and names of built-in scenarios."""

from pathlib import Path

import pytest

from rawserver.cli import scenario_source
from rawserver.cli.scenario_source import built_in_scenarios, find_scenario
from rawserver.simulation.scenario import ScenarioError

SCENARIOS = str(Path(__file__).parent / "scenarios_of_tests.py")


def test_a_file_and_a_function_of_it() -> None:
    assert find_scenario(SCENARIOS).__name__ == "scenario"
    assert find_scenario(f"{SCENARIOS}:dies").__name__ == "dies"


def test_a_file_whose_name_has_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "a:b.py"
    path.write_text("def scenario(world): pass\n")
    assert find_scenario(str(path)).__name__ == "scenario"


@pytest.mark.parametrize("name", built_in_scenarios())
def test_every_built_in_one_is_found_and_described(name: str) -> None:
    assert callable(find_scenario(name))
    assert built_in_scenarios()[name].endswith((".", ":"))


@pytest.mark.parametrize("text", ["nosuch", "nosuch:thing", "", ".", "_private", "nosuch.py"])
def test_what_there_is_not_is_told(text: str) -> None:
    with pytest.raises(ScenarioError) as raised:
        find_scenario(text)
    assert "\n" not in str(raised.value)


def test_the_built_in_ones_are_told_to_who_mistypes() -> None:
    with pytest.raises(ScenarioError, match=r"built in are .*swarm"):
        find_scenario("swam")


def test_files_beside_them_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario_source, "BUILT_IN_FOLDER", str(tmp_path))
    (tmp_path / "__init__.py").write_text("def scenario(world): pass\n")
    (tmp_path / "one_thing.py").write_text('"""One.\n\nMore."""\ndef scenario(world): pass\n')
    (tmp_path / "helper.py").write_text('"""No scenario."""\nx = 1\n')
    (tmp_path / "notes.txt").write_text("def scenario(world): pass\n")
    assert built_in_scenarios() == {"one-thing": "One."}
    monkeypatch.setattr(scenario_source, "BUILT_IN_FOLDER", str(tmp_path / "nowhere"))
    assert built_in_scenarios() == {}
