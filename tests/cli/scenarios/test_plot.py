import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rawserver.cli.scenarios.plot import COLOURS, MOST_NAMES, draw
from rawserver.cli.scenarios.swarm_result import PeerResult, SwarmResult

MIB = 1024 * 1024
PEERS = (
    PeerResult("seed", "seed", 0.0, True, 3 * MIB, 0),
    PeerResult("a $x$ b", "peer", 10.0, False, 3 * MIB // 2, MIB),
    PeerResult("c", "peer", None, False, 0, 10),
    PeerResult("d", "free rider", 15.0, False, 0, MIB),
)


def drawn(*peers: PeerResult, command: str = "") -> tuple[Figure, Axes, Axes]:
    figure = draw(SwarmResult("test", MIB, 20.0, peers), command)
    above, below = figure.axes
    return figure, above, below


def test_each_kind_has_a_curve_that_steps_up_as_its_peers_complete() -> None:
    _, above, _ = drawn(*PEERS)
    peers, riders = above.get_lines()
    # Of the two peers one was complete; the swarm ended after 20 seconds.
    assert [list(line) for line in peers.get_data()] == [[0, 10, 20], [0, 50, 50]]
    assert [list(line) for line in riders.get_data()] == [[0, 15, 20], [0, 100, 100]]
    assert (peers.get_color(), riders.get_color()) == (COLOURS[1], COLOURS[2])
    assert peers.get_linestyle() != riders.get_linestyle()
    legend = above.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["peer", "free rider"]


def test_the_curve_ends_soon_after_the_last_peer() -> None:
    _, above, _ = drawn(*PEERS[:2])
    assert 10.0 < above.get_xlim()[1] < 11.0
    assert above.get_ylabel() == "complete, % of the peers"


def test_each_has_a_bar_as_long_as_what_it_gave() -> None:
    _, _, below = drawn(*PEERS)
    bars = below.patches
    assert [bar.get_width() for bar in bars] == [3.0, 1.5, 0.0, 0.0]
    assert below.get_xlabel() == "uploaded, MiB"
    texts = {text.get_text() for text in below.texts}
    assert texts == {"3.0 MiB", "1.5 MiB", "0 B"}
    # The first of the table is at the top.
    assert below.yaxis_inverted()


def test_many_peers_are_columns_without_names_by_what_they_gave() -> None:
    peers = [
        PeerResult(f"peer-{number}", "peer", 1.0, False, number * 1024, MIB)
        for number in range(MOST_NAMES + 1)
    ]
    figure, _, below = drawn(*peers)
    heights = [column.get_height() for column in below.patches]
    assert heights == [float(number) for number in reversed(range(MOST_NAMES + 1))]
    assert below.get_ylabel() == "uploaded, KiB"
    assert "peer-1" not in {label.get_text() for label in below.get_yticklabels()}
    # A thousand are no taller.
    assert figure.get_figheight() < 10


def test_what_it_is_and_how_to_have_it_again_is_written_on_it() -> None:
    figure, _, _ = drawn(*PEERS, command="rawserver simulate x --seed 3")
    assert figure.get_suptitle() == "test: 1.0 MiB, 1 seed and 3 peers"
    assert figure.get_supxlabel() == "rawserver simulate x --seed 3"


@pytest.mark.parametrize("peers", [(), PEERS[:1], PEERS[2:3]])
def test_little_is_drawn_as_well(peers: tuple[PeerResult, ...]) -> None:
    figure, above, _ = drawn(*peers)
    figure.draw_without_rendering()
    assert above.get_xlim()[1] > 0
