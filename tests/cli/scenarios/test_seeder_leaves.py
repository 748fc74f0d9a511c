import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.seeder_leaves import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_peers_complete_each_other(seed: int) -> None:
    _, result = play(scenario, seed)
    assert dict(result.facts)["peers that lacked something then"] != "0"
    assert len(result.completions()) == 10
