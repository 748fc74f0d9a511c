from xml.etree import ElementTree

from rawserver.cli.scenarios.plot import COLOURS, PLOT_HEIGHT, TOP, draw
from rawserver.cli.scenarios.swarm_result import PeerResult, SwarmResult

SVG = "{http://www.w3.org/2000/svg}"
PEERS = (
    PeerResult("seed", "seed", 0.0, True, 3_000_000, 0),
    PeerResult("a <&> b", "peer", 10.0, False, 1_500_000, 1_000_000),
    PeerResult("c", "peer", None, False, 0, 10),
)


def drawn(*peers: PeerResult) -> ElementTree.Element:
    return ElementTree.fromstring(draw(SwarmResult("test", 1_000_000, 20.0, peers)))


def test_the_curve_steps_up_as_peers_complete() -> None:
    (curve,) = drawn(*PEERS).iter(f"{SVG}polyline")
    points = [tuple(map(float, point.split(","))) for point in curve.attrib["points"].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    # Of the two who fetched one was complete.
    assert points[0][1] == TOP + PLOT_HEIGHT
    assert points[-1][1] == TOP + PLOT_HEIGHT / 2


def test_each_has_a_bar_as_long_as_what_it_gave() -> None:
    bars = [
        rect for rect in drawn(*PEERS).iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None
    ]
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert widths[0] > 0
    assert abs(widths[1] - widths[0] / 2) < 0.1
    assert widths[2] == 0
    assert [bar.attrib["fill"] for bar in bars] == [COLOURS[0], COLOURS[1], COLOURS[1]]


def test_names_may_be_anything() -> None:
    texts = [text.text for text in drawn(*PEERS).iter(f"{SVG}text")]
    assert "a <&> b" in texts
    assert "test: 976.6 KiB" in texts


def test_nobody_at_all_is_drawn_as_well() -> None:
    assert drawn().find(f"{SVG}polyline") is not None
