import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.partition_heals import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_all_get_everything_once_they_reach_each_other(seed: int) -> None:
    _, result = play(scenario, seed)
    far = [peer for peer in result.peers if peer.kind == "far peer"]
    assert far
    assert all(peer.seconds is not None and peer.seconds > 90 for peer in far)
