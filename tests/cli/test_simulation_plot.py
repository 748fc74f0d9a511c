import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rawserver.cli.command_error import CommandError
from rawserver.cli.scenarios.swarm_result import PeerResult, SwarmResult
from rawserver.cli.simulation_plot import check_plot, write_plot
from rawserver.simulation.outcome import Outcome

NAME = "a <&> $b$"
SWARM = SwarmResult("test", 1024, 9.0, (PeerResult(NAME, "peer", 2.0, False, 0, 1024),))
GOOD = Outcome(5, True, result=SWARM.as_dict())


def test_the_first_swarm_that_came_out_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "swarm.svg"
    outcomes = [Outcome(3, False, "AssertionError"), Outcome(4, True, result={"a": 1}), GOOD]
    assert write_plot(str(path), outcomes, lambda outcome: f"replay of {outcome.seed}") == 5
    texts = list(ElementTree.parse(path).getroot().itertext())
    assert "replay of 5" in texts


def test_the_suffix_says_the_format(tmp_path: Path) -> None:
    for name, begin in (("a.png", b"\x89PNG"), ("a.SVG", b"<?xml")):
        write_plot(str(tmp_path / name), [GOOD])
        assert (tmp_path / name).read_bytes().startswith(begin)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_run_is_the_same_file(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{number}.{suffix}" for number in range(2)]
    for path in paths:
        write_plot(str(path), [GOOD])
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_names_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "a.svg"
    write_plot(str(path), [GOOD])
    assert NAME in list(ElementTree.parse(path).getroot().itertext())


def test_nothing_to_draw_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no run returned a swarm"):
        write_plot(str(tmp_path / "x.svg"), [Outcome(1, True)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("x.jpg", "x.jpg: a plot is a .png or .svg"),
        ("x", "x: a plot is a .png or .svg"),
        ("/nowhere/x.svg", "/nowhere/x.svg: there is no folder /nowhere"),
    ],
)
def test_what_cannot_be_written_is_one_line(path: str, said: str) -> None:
    with pytest.raises(CommandError, match=said) as raised:
        check_plot(path)
    assert raised.value.exit_code == 2


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    with pytest.raises(CommandError, match="Is a directory"):
        write_plot(str(tmp_path / "x.png"), [GOOD])


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(CommandError, match=r"pip install 'rawserver\[plot\]'"):
        check_plot("x.png")
