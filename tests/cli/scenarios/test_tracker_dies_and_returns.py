import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.tracker_dies_and_returns import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_peers_find_each_other_when_the_tracker_is_back(seed: int) -> None:
    _, result = play(scenario, seed)
    late = [peer for peer in result.peers if peer.kind == "late peer"]
    assert late
    assert all(peer.seconds is not None and peer.seconds > 45 for peer in late)
