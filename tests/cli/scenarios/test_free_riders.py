import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.free_riders import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_who_gives_nothing_is_later(seed: int) -> None:
    _, result = play(scenario, seed)
    assert all(peer.uploaded == 0 for peer in result.peers if peer.kind == "free rider")
    assert result.median_seconds("peer") < result.median_seconds("free rider")
