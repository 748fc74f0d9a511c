"""The tracker's page for people."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rawserver.services.tracker.page_assets import SCRIPT, STYLE
from rawserver.services.tracker.torrent_row import UNSORTED, SortOrder, TorrentRow

_TOP = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tracker</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Tracker</h1>
"""
_BOTTOM = f"""
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""
_TABLE = """<table>
<thead><tr>%s</tr></thead>
<tbody>
%s
</tbody>
<tfoot><tr>%s</tr></tfoot>
</table>"""
# Column and heading, in the order in which they stand.
_COLUMNS = {
    "name": "Torrent",
    "size": "Size",
    "complete": "Complete",
    "downloading": "Downloading",
    "downloaded": "Downloaded",
    "transferred": "Transferred",
}
_SIZES = ("size", "transferred")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def tracker_page(
    rows: Sequence[TorrentRow], num_torrents: int, num_peers: int, order: SortOrder = UNSORTED
) -> str:
    """Return the page as HTML. `rows` are the torrents to list, in an order already."""
    summary = f"{_count(num_torrents, 'torrent')}, {_count(num_peers, 'peer')}."
    if len(rows) < num_torrents:
        summary += f" The first {len(rows):,} are listed."
    return f"{_TOP}<p>{summary}</p>\n{_table(rows, order) if rows else ''}{_BOTTOM}"


def shown_size(count: int) -> str:
    """Return bytes as people read them: "0 B", "1.5 GiB"."""
    power = min(max(count.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    if not power:
        return f"{count} B"
    return f"{count / 1024**power:.1f} {_UNITS[power]}"


def _table(rows: Sequence[TorrentRow], order: SortOrder) -> str:
    # Where no size is known two columns of dashes would say nothing.
    sized = any(row.size is not None for row in rows)
    columns = [column for column in _COLUMNS if sized or column not in _SIZES]
    heading = "".join(_heading(column, order) for column in columns)
    lines = "\n".join(_line(row, columns) for row in rows)
    return _TABLE % (heading, lines, _totals(rows, columns))


def _heading(column: str, order: SortOrder) -> str:
    descending = column != "name"
    said = ""
    if order.column == column:
        said = f' aria-sort="{"descending" if order.descending else "ascending"}"'
        descending = not order.descending
    link = f'<a href="?sort={column}&amp;order={"desc" if descending else "asc"}">'
    return f'<th scope="col"{_class(column)}{said}>{link}{_COLUMNS[column]}</a></th>'


def _line(row: TorrentRow, columns: Sequence[str]) -> str:
    cells = "".join(_cell(column, getattr(row, column)) for column in columns[1:])
    return f"<tr><td>{escape(row.name)}<code>{row.info_hash.hex()}</code></td>{cells}</tr>"


def _cell(column: str, value: int | None) -> str:
    text = "\N{EN DASH}" if value is None else _shown(column, value)
    return (
        f'<td class="n" data-label="{_COLUMNS[column]}" data-value="{value or 0}">'
        f"<span>{text}</span></td>"
    )


def _totals(rows: Sequence[TorrentRow], columns: Sequence[str]) -> str:
    cells = [
        _cell(column, sum(getattr(row, column) or 0 for row in rows)) for column in columns[1:]
    ]
    return '<th scope="row">Total</th>' + "".join(cells)


def _shown(column: str, value: int) -> str:
    return shown_size(value) if column in _SIZES else f"{value:,}"


def _class(column: str) -> str:
    return "" if column == "name" else ' class="n"'


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
