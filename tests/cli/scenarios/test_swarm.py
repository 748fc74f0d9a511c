import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.swarm import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_the_seed_gives_the_less_the_more_there_are(seed: int) -> None:
    _, result = play(scenario, seed)
    assert len(result.peers) == 13
    assert 0 < result.share_of_uploads("seed") < 1
    assert result.completions()[-1][1] == 1.0
