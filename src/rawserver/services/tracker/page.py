"""The tracker's page for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

from rawserver.wire.scrape import ScrapeFile

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tracker</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem }}
body {{ padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ border-bottom: 1px solid #8884; padding: .4rem .6rem; text-align: left }}
th.number, td.number {{ text-align: right }}
code {{ font-size: .85em; overflow-wrap: anywhere }}
@media (prefers-color-scheme: dark) {{ body {{ background: #181818; color: #ddd }} }}
</style>
</head>
<body>
<h1>Tracker</h1>
<p>{summary}</p>
{table}
</body>
</html>
"""
_TABLE = """<table>
<thead><tr><th>Torrent</th><th class="number">Complete</th><th class="number">Downloading</th>\
<th class="number">Downloaded</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>"""
_ROW = """<tr><td>{name}<code>{info_hash}</code></td><td class="number">{file.complete}</td>\
<td class="number">{file.incomplete}</td><td class="number">{file.downloaded}</td></tr>"""


def tracker_page(
    files: Iterable[ScrapeFile],
    num_torrents: int,
    num_peers: int,
    name_of: Callable[[bytes], str | None],
) -> str:
    """Return the page as HTML; `files` are the torrents to list, `name_of` names those it knows."""
    rows = [_row(file, name_of(file.info_hash)) for file in files]
    torrents = f"{num_torrents} torrent{'' if num_torrents == 1 else 's'}"
    peers = f"{num_peers} peer{'' if num_peers == 1 else 's'}"
    summary = f"{torrents}, {peers}."
    if len(rows) < num_torrents:
        summary += f" The first {len(rows)} are listed."
    table = _TABLE.format(rows="\n".join(rows)) if rows else ""
    return _PAGE.format(summary=summary, table=table)


def _row(file: ScrapeFile, name: str | None) -> str:
    shown = "" if name is None else f"{escape(name)}<br>"
    return _ROW.format(name=shown, info_hash=file.info_hash.hex(), file=file)
