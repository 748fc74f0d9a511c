"""Where a scenario comes from: a Python file, or what is built in."""

from __future__ import annotations

import ast
import os
from importlib import import_module

from rawserver.simulation.scenario import (
    DEFAULT_NAME,
    Scenario,
    ScenarioError,
    check_scenario,
    load_scenario,
)

BUILT_IN_FOLDER = os.path.join(os.path.dirname(__file__), "scenarios")


def built_in_scenarios() -> dict[str, str]:
    """Return the names of the built-in scenarios with what they say of themselves."""
    try:
        names = sorted(os.listdir(BUILT_IN_FOLDER))
    except FileNotFoundError:
        return {}
    found = {}
    for name in names:
        stem, extension = os.path.splitext(name)
        if extension == ".py" and not stem.startswith("_"):
            description = _defines_scenario(os.path.join(BUILT_IN_FOLDER, name))
            if description is not None:
                found[stem.replace("_", "-")] = description
    return found


def _defines_scenario(path: str) -> str | None:
    """Return the first line of the file's own docstring; None if it has no `scenario`."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    if not any(isinstance(one, ast.FunctionDef) and one.name == DEFAULT_NAME for one in tree.body):
        return None
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def find_scenario(text: str) -> Scenario:
    """Return the scenario of `FILE.py`, `FILE.py:NAME` or a built-in name.

    Raises ScenarioError if there is none.
    """
    path, colon, name = text.rpartition(":")
    if not colon or os.path.exists(text):
        path, name = text, DEFAULT_NAME
    if path.endswith(".py") or os.path.exists(path):
        return load_scenario(path, name)
    built_in = built_in_scenarios()
    if text.replace("_", "-") not in built_in:
        known = f"; built in are {', '.join(built_in)}" if built_in else ""
        raise ScenarioError(f"{text}: there is no such file or scenario{known}")
    module = import_module(f"rawserver.cli.scenarios.{text.replace('-', '_')}")
    scenario: Scenario = getattr(module, DEFAULT_NAME)
    check_scenario(scenario, text)
    return scenario
