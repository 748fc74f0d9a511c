"""A scenario: a function that builds a world, has it run and says what must be so."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any, Protocol, runtime_checkable

# `scenario(world)`, or `scenario(world, hosts=...)` where the number of hosts may be chosen.
Scenario = Callable[..., object]


@runtime_checkable
class Result(Protocol):
    """What a scenario may return, to be told when it has passed."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as what JSON can have."""

    def lines(self) -> list[str]:
        """Return it as lines of text."""


DEFAULT_NAME = "scenario"


class ScenarioError(Exception):
    """A scenario cannot be had, or not with what was asked of it; says why in one line."""


def load_scenario(path: str, name: str = DEFAULT_NAME) -> Scenario:
    """Return a function of a Python file, which may import what lies in its folder.

    Raises ScenarioError if there is none.
    """
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        what = "this is a folder" if os.path.isdir(path) else "there is no such file"
        raise ScenarioError(f"{path}: {what}")
    stem = os.path.splitext(os.path.basename(path))[0]
    spec = spec_from_file_location(f"scenario_{stem}", path)
    if spec is None or spec.loader is None:
        raise ScenarioError(f"{path}: not a Python file")
    module = module_from_spec(spec)
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # Data classes and pickles look for it there.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise ScenarioError(
            f"{path}: cannot be imported: {type(error).__name__}: {error}"
        ) from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ScenarioError(f"{path}: there is no function {name!r}")
    check_scenario(function, path)
    found: Scenario = function
    return found


def check_scenario(function: Scenario, place: str) -> None:
    """Raise ScenarioError for what cannot be called with a world alone."""
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise ScenarioError(f"{place}: a scenario is a plain function, not a coroutine")
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise ScenarioError(f"{place}: a scenario is called with a world, and no more") from None


def takes_hosts(scenario: Scenario) -> bool:
    """Tell whether the number of hosts may be chosen."""
    parameter = inspect.signature(scenario).parameters.get("hosts")
    return parameter is not None and parameter.kind in (
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    )
