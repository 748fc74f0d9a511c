import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.nated_peers import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_those_behind_routers_get_and_give(seed: int) -> None:
    _, result = play(scenario, seed)
    hidden = [peer for peer in result.peers if peer.kind == "peer behind a NAT"]
    assert len(hidden) == 7
    assert sum(peer.uploaded for peer in hidden) > 0
