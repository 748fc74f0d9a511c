"""How a scenario is found in a file, and what is no scenario."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rawserver.simulation.scenario import (
    ScenarioError,
    check_scenario,
    load_scenario,
    takes_hosts,
)


@pytest.fixture(autouse=True)
def own_imports() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(folder: Path, text: str, name: str = "one.py") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_function_of_a_file_is_found_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "def scenario(world): return 1\ndef other(world): return 2\n")
    assert load_scenario(path)(None) == 1
    assert load_scenario(path, "other")(None) == 2


def test_it_imports_what_lies_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "ANSWER = 42\n", "beside_a_scenario.py")
    path = write(tmp_path, "import beside_a_scenario as b\ndef scenario(world): return b.ANSWER\n")
    assert load_scenario(path)(None) == 42


def test_data_classes_work_in_it(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Two:\n    a: int\ndef scenario(world): return Two(2).a\n",
    )
    assert load_scenario(path)(None) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def scenario(world:\n", "SyntaxError"),
        ("import there_is_no_such_module\n", "ModuleNotFoundError"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("def another(world): pass\n", "no function 'scenario'"),
        ("scenario = 7\n", "no function 'scenario'"),
        ("async def scenario(world): pass\n", "not a coroutine"),
        ("def scenario(world): yield\n", "not a coroutine"),
        ("def scenario(): pass\n", "called with a world"),
        ("def scenario(world, more): pass\n", "called with a world"),
    ],
)
def test_what_is_no_scenario_is_told_with_its_file(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ScenarioError, match=said) as raised:
        load_scenario(path)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "said"), [("nowhere.py", "no such file"), ("folder", "this is a folder")]
)
def test_what_is_no_file_is_told(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ScenarioError, match=said):
        load_scenario(str(tmp_path / name))


def test_what_is_no_python_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="not a Python file"):
        load_scenario(write(tmp_path, "", "notes.txt"))


def test_hosts_are_for_those_who_take_them() -> None:
    def with_hosts(world: object, hosts: int = 3) -> None: ...
    def by_name(world: object, *, hosts: int = 3) -> None: ...
    def without(world: object) -> None: ...
    def many(world: object, *hosts: int) -> None: ...

    assert takes_hosts(with_hosts)
    assert takes_hosts(by_name)
    assert not takes_hosts(without)
    assert not takes_hosts(many)
    check_scenario(by_name, "here")
