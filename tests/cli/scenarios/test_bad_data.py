import pytest

from kit.seeds import SEEDS, play
from rawserver.cli.scenarios.bad_data import scenario


@pytest.mark.parametrize("seed", SEEDS)
def test_bad_data_end_on_no_disk(seed: int) -> None:
    _, result = play(scenario, seed)
    assert dict(result.facts)["liars"] == "3"
    assert len(result.completions()) == 12
