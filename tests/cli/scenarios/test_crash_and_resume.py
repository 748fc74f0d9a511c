import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.crash_and_resume import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_who_crashes_goes_on_where_it_was(seed: int) -> None:
    _, result = play(scenario, seed)
    assert dict(result.facts)["crashes"] == "6"
    assert len(result.completions()) == 8
