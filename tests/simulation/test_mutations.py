"""The simulator finds bugs: each of those that are put into RawServer here, by some seed."""

import pytest

from kit.mutations import MUTATIONS
from kit.rough_world import RoughWorld

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_without_a_bug_nothing_is_found(seed: int) -> None:
    assert RoughWorld(seed).run() == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTATIONS[name](monkeypatch)
    assert any(RoughWorld(seed).run() for seed in SEEDS)


def test_there_are_bugs_of_many_kinds() -> None:
    assert len(MUTATIONS) >= 10
