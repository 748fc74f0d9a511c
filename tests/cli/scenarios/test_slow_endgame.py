import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.slow_endgame import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_waits_for_slow_peers_at_the_end(seed: int) -> None:
    _, result = play(scenario, seed)
    assert len(result.completions()) == 4
    assert any(peer.uploaded for peer in result.peers if peer.kind == "fast seed")
