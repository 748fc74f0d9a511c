"""What the tracker's page looks like, and what it may load: itself and nothing else."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root { color-scheme: light dark; --line: #8883; --quiet: #666; --link: #0b57d0 }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; --link: #8ab4f8 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem;
  padding: 1.5rem 1rem }
h1 { font-size: 1.5rem; font-weight: 600; margin: 0 }
p, caption { color: var(--quiet); margin: .25rem 0 1rem; text-align: left }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { border-bottom: 1px solid var(--line); padding: .5rem 0; text-align: left;
  vertical-align: top }
.n { padding-left: 1.25rem; text-align: right; white-space: nowrap }
th { font-weight: 600 }
th a { color: inherit; text-decoration: none }
th a:hover, th a:focus-visible { text-decoration: underline }
th[aria-sort] a { color: var(--link) }
th[aria-sort=ascending] a::after { content: " \\2191" }
th[aria-sort=descending] a::after { content: " \\2193" }
code { color: var(--quiet); display: block; font: .8125rem/1.4 ui-monospace, monospace;
  overflow-wrap: anywhere }
td:first-child { overflow-wrap: anywhere }
tfoot td, tfoot th { border-bottom: 0; font-weight: 600 }
@media (max-width: 56rem) {
  table, thead, tbody, tfoot { display: block }
  tr { border-bottom: 1px solid var(--line); display: grid; gap: 0 1rem;
    grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); padding: .5rem 0 }
  tfoot tr { border-bottom: 0 }
  th, td, .n { border: 0; padding: .125rem 0 }
  tr > :first-child { grid-column: 1 / -1 }
  thead tr { display: flex; flex-wrap: wrap }
  thead tr::before { color: var(--quiet); content: "Sort by"; padding: .125rem 0 }
  td.n { align-items: baseline; display: flex; gap: .5rem; justify-content: space-between }
  td.n::before { color: var(--quiet); content: attr(data-label); font-size: .875rem;
    font-weight: 400 }
}
"""
# Without it the links of the header ask for the page in another order.
SCRIPT = """
"use strict";
const head = document.querySelector("thead tr"), body = document.querySelector("tbody");
const value = (row, at, text) => text ? row.cells[at].textContent.toLowerCase()
  : Number(row.cells[at].dataset.value);
if (head) head.addEventListener("click", event => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const cell = link.closest("th"), at = cell.cellIndex, text = at === 0;
  const before = cell.getAttribute("aria-sort");
  const down = before ? before === "ascending" : !text;
  for (const other of head.cells) other.removeAttribute("aria-sort");
  cell.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = Array.from(body.rows, row => [value(row, at, text), row]);
  rows.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1));
  body.append(...rows.map(([, row]) => row));
});
"""


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


# Whatever a name on the page turned out to be, nothing but these two is run or fetched (CSP 3).
PAGE_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src {_source(STYLE)}; script-src {_source(SCRIPT)}; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
