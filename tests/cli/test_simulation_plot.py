from pathlib import Path

import pytest

from rawserver.cli.command_error import CommandError
from rawserver.cli.scenarios.swarm_result import PeerResult, SwarmResult
from rawserver.cli.simulation_plot import write_plot
from rawserver.simulation.outcome import Outcome

SWARM = SwarmResult("test", 1024, 9.0, (PeerResult("peer-1", "peer", 2.0, False, 0, 1024),))


def test_the_first_swarm_that_came_out_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "swarm.svg"
    outcomes = [
        Outcome(3, False, "AssertionError"),
        Outcome(4, True, result={"something": 1}),
        Outcome(5, True, result=SWARM.as_dict()),
    ]
    assert write_plot(str(path), outcomes) == 5
    assert "peer-1" in path.read_text()


def test_nothing_to_draw_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no run returned a swarm"):
        write_plot(str(tmp_path / "x.svg"), [Outcome(1, True)])
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(CommandError, match="/nowhere/x"):
        write_plot("/nowhere/x.svg", [Outcome(5, True, result=SWARM.as_dict())])
