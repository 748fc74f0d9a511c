"""A simulated swarm as a picture: who was complete when, and who gave how much (SVG)."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape

from rawserver.cli.quantity import format_size
from rawserver.cli.scenarios.swarm_result import PeerResult, SwarmResult

WIDTH = 760
# Of the curve.
PLOT_HEIGHT = 240
LEFT = 64
RIGHT = 24
TOP = 56
GAP = 72
BAR_HEIGHT = 14
BAR_STEP = 18
# Room for the names of the peers, and for how much each gave.
NAMES = 200
SIZES = 80
TICKS = 5
# Told apart by those who do not see red and green, too (Okabe and Ito).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")


def draw(result: SwarmResult) -> str:
    """Return an SVG: the share of the peers that are complete over time, and uploads by peer."""
    bars_top = TOP + PLOT_HEIGHT + GAP
    height = bars_top + len(result.peers) * BAR_STEP + 24
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(LEFT, 22, f"{result.name}: {format_size(result.size)}", size=16),
        _text(LEFT, TOP - 12, "share of peers complete, over seconds"),
        *_axes(result),
        *_curve(result),
        _text(LEFT, bars_top - 12, "uploaded by each"),
        *_bars(result, bars_top),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">'
        f"{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#cccccc"/>'


# Who was complete when.


def _last_second(result: SwarmResult) -> float:
    completions = result.completions()
    return completions[-1][0] if completions else max(result.seconds, 1.0)


def _axes(result: SwarmResult) -> Iterator[str]:
    bottom, right = TOP + PLOT_HEIGHT, WIDTH - RIGHT
    last = _last_second(result)
    for tick in range(TICKS + 1):
        share = tick / TICKS
        y, x = bottom - share * PLOT_HEIGHT, LEFT + share * (right - LEFT)
        yield _line(LEFT, y, right, y)
        yield _text(LEFT - 6, y + 4, f"{share:.0%}", anchor="end")
        yield _text(x, bottom + 16, f"{share * last:.4g}", anchor="middle")


def _curve(result: SwarmResult) -> Iterator[str]:
    bottom, last = TOP + PLOT_HEIGHT, _last_second(result)
    points = [(float(LEFT), float(bottom))]
    for seconds, share in result.completions():
        x = LEFT + seconds / last * (WIDTH - RIGHT - LEFT)
        # A step: until then it were fewer.
        points += [(x, points[-1][1]), (x, bottom - share * PLOT_HEIGHT)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{COLOURS[0]}" stroke-width="2"/>'


# Who gave how much.


def _bars(result: SwarmResult, top: float) -> Iterator[str]:
    most = max((peer.uploaded for peer in result.peers), default=0) or 1
    kinds = list(dict.fromkeys(peer.kind for peer in result.peers))
    for row, peer in enumerate(result.peers):
        colour = COLOURS[kinds.index(peer.kind) % len(COLOURS)]
        yield from _bar(peer, top + row * BAR_STEP, peer.uploaded / most, colour)


def _bar(peer: PeerResult, y: float, share: float, colour: str) -> Iterator[str]:
    width = share * (WIDTH - NAMES - SIZES - RIGHT)
    yield _text(NAMES - 8, y + 11, peer.name, anchor="end")
    yield (
        f'<rect x="{NAMES}" y="{y:.1f}" width="{width:.1f}" height="{BAR_HEIGHT}" '
        f'fill="{colour}"><title>{escape(peer.kind)}</title></rect>'
    )
    yield _text(NAMES + width + 6, y + 11, format_size(peer.uploaded))
