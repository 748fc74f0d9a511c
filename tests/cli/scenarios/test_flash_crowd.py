import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.flash_crowd import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crowd_is_served_in_time(seed: int) -> None:
    _, result = play(scenario, seed)
    assert len(result.completions()) == 20
