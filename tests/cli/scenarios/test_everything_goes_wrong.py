import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.everything_goes_wrong import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_everybody_gets_everything_in_the_end(seed: int) -> None:
    _, result = play(scenario, seed)
    assert len(result.completions()) == 6
