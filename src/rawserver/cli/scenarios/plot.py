"""A simulated swarm as a picture: who was complete when, and who gave how much.

Drawn by matplotlib, which is imported when something is drawn, for it need not be installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rawserver.cli.quantity import format_size
from rawserver.cli.scenarios.swarm_result import PeerResult, SwarmResult

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In inches, of which each has 100 dots.
WIDTH = 9.0
CURVE_HEIGHT = 3.6
BAR_HEIGHT = 0.24
BARS_MARGIN = 1.0
COLUMNS_HEIGHT = 3.6
DOTS_PER_INCH = 100
# Of more peers than this no names can be read, and all are put side by side by what they gave.
MOST_NAMES = 40
# Told apart by those who do not see red and green, too (Okabe and Ito).
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999")
LINES = ("-", "--", "-.", ":")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def draw(result: SwarmResult, command: str = "") -> Figure:
    """Return a figure: the share of the peers complete over time, and uploads by peer.

    `command` is what gives the same swarm again. Raises ImportError where matplotlib is not
    installed.
    """
    from matplotlib.figure import Figure

    has_names = len(result.peers) <= MOST_NAMES
    lower = max(1, len(result.peers)) * BAR_HEIGHT + BARS_MARGIN if has_names else COLUMNS_HEIGHT
    figure = Figure(figsize=(WIDTH, CURVE_HEIGHT + lower), dpi=DOTS_PER_INCH, layout="constrained")
    above, below = figure.subplots(2, height_ratios=(CURVE_HEIGHT, lower))
    figure.suptitle(_title(result))
    if command:
        figure.supxlabel(command, fontsize=8, color="#666666", x=0.99, ha="right")
    colours = _colours(result.peers)
    _draw_completions(above, result, colours)
    if has_names:
        _draw_bars(below, result.peers, colours)
    else:
        _draw_columns(below, result.peers, colours)
    return figure


def _title(result: SwarmResult) -> str:
    began = sum(peer.began_complete for peer in result.peers)
    others = len(result.peers) - began
    who = f"{_plural(began, 'seed')} and {_plural(others, 'peer')}"
    return f"{result.name}: {format_size(result.size)}, {who}"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _colours(peers: Sequence[PeerResult]) -> dict[str, str]:
    """Return the colour of each kind, in the order in which they came."""
    kinds = dict.fromkeys(peer.kind for peer in peers)
    return {kind: COLOURS[number % len(COLOURS)] for number, kind in enumerate(kinds)}


# Who was complete when.


def _draw_completions(axes: Axes, result: SwarmResult, colours: dict[str, str]) -> None:
    fetched = [peer for peer in result.peers if not peer.began_complete]
    last = _last_second(result, fetched)
    kinds = list(dict.fromkeys(peer.kind for peer in fetched))
    for number, kind in enumerate(kinds):
        peers = [peer for peer in fetched if peer.kind == kind]
        times = sorted(peer.seconds for peer in peers if peer.seconds is not None)
        shares = [100 * done / len(peers) for done in range(len(times) + 1)]
        axes.step(
            [0.0, *times, last],
            [*shares, shares[-1]],
            where="post",
            color=colours[kind],
            # Where two lines run together the second shows the first.
            linestyle=LINES[number % len(LINES)],
            linewidth=2,
            label=kind,
        )
    axes.set_title("Complete over time", loc="left", fontsize="medium")
    axes.set_xlabel("seconds since the swarm began")
    axes.set_ylabel("complete, % of each kind" if len(kinds) > 1 else "complete, % of the peers")
    axes.set_xlim(0.0, last)
    axes.set_ylim(0.0, 104.0)
    axes.grid(color="#dddddd")
    if len(kinds) > 1:
        _add_legend(axes, axes.get_lines())


def _last_second(result: SwarmResult, fetched: Sequence[PeerResult]) -> float:
    """Return where the curve ends: somewhat after the last, or with the swarm."""
    times = [peer.seconds for peer in fetched if peer.seconds is not None]
    if times and len(times) == len(fetched):
        return max(times) * 1.02 or 1.0
    return result.seconds or 1.0


# Who gave how much.


def _draw_bars(axes: Axes, peers: Sequence[PeerResult], colours: dict[str, str]) -> None:
    unit, name = _unit_of(peers)
    bars = axes.barh(
        range(len(peers)),
        [peer.uploaded / unit for peer in peers],
        color=[colours[peer.kind] for peer in peers],
    )
    axes.bar_label(bars, [format_size(peer.uploaded) for peer in peers], padding=4, fontsize=8)
    axes.set_yticks(range(len(peers)), [peer.name for peer in peers], fontsize=8)
    # From above, in the order of the table.
    axes.set_ylim(len(peers) - 0.4, -0.6)
    # Room for what is written behind the longest.
    axes.margins(x=0.1)
    axes.set_xlabel(f"uploaded, {name}")
    axes.set_title("Uploaded by each", loc="left", fontsize="medium")
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    _name_kinds(axes, colours)


def _draw_columns(axes: Axes, peers: Sequence[PeerResult], colours: dict[str, str]) -> None:
    unit, name = _unit_of(peers)
    order = sorted(peers, key=lambda peer: peer.uploaded, reverse=True)
    axes.bar(
        range(1, len(order) + 1),
        [peer.uploaded / unit for peer in order],
        width=1.0,
        color=[colours[peer.kind] for peer in order],
    )
    axes.set_xlim(0.5, len(order) + 0.5)
    axes.set_xlabel("peers, from who gave most to who gave least")
    axes.set_ylabel(f"uploaded, {name}")
    axes.set_title("Uploaded by each", loc="left", fontsize="medium")
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    _name_kinds(axes, colours)


def _name_kinds(axes: Axes, colours: dict[str, str]) -> None:
    from matplotlib.patches import Patch

    if len(colours) > 1:
        _add_legend(axes, [Patch(color=colour, label=kind) for kind, colour in colours.items()])


def _add_legend(axes: Axes, handles: Sequence[Artist]) -> None:
    # Above the axes, beside their title: inside it would hide bars.
    axes.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.99),
        ncols=len(handles),
        frameon=False,
        fontsize="small",
    )


def _unit_of(peers: Sequence[PeerResult]) -> tuple[int, str]:
    """Return the unit in which the largest upload is a number of few digits, and its name."""
    most = max((peer.uploaded for peer in peers), default=0)
    power = max(0, min((most.bit_length() - 1) // 10, len(_UNITS) - 1))
    return 1024**power, _UNITS[power]
