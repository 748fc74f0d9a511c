"""`rawserver tracker`: the tracker alone, by HTTP, HTTPS and UDP."""

from __future__ import annotations

from typing import Any

import click

from rawserver.cli.config_file import config_option
from rawserver.cli.option_groups import GroupedCommand, option_of
from rawserver.cli.output import Output
from rawserver.cli.parameters import (
    COUNT,
    LISTEN,
    RATIO,
    SOME_SECONDS,
    WHOLE,
    WHOLE_SECONDS,
    json_option,
)

DEFAULT_PORT = "6969"

_listening = option_of("Where it listens")
_peers = option_of("Peers")
_torrents = option_of("Which torrents")
_people = option_of("Who may announce")
_memory = option_of("What it remembers")
_pages = option_of("What it shows")


@click.command(
    cls=GroupedCommand,
    epilog="Examples: 'rawserver tracker'  'rawserver tracker --http 80 --udp 6969 --state "
    "/var/lib/tracker --torrents /srv/torrents --nat-check 3'",
)
@_listening(
    "--http",
    type=LISTEN,
    multiple=True,
    default=(DEFAULT_PORT,),
    show_default=True,
    help="PORT or HOST:PORT for HTTP; port 0 takes any free one. Repeatable.",
)
@_listening("--https", type=LISTEN, multiple=True, help="The same for HTTPS.")
@_listening(
    "--udp",
    type=LISTEN,
    multiple=True,
    help="The same for UDP.  [default: as --http]",
)
@_listening("--no-http", is_flag=True, help="Do not serve HTTP: HTTPS or UDP alone.")
@_listening("--no-udp", is_flag=True, help="Do not serve UDP.")
@_listening("--certificate", metavar="FILE", help="PEM file for --https; read again on SIGHUP.")
@_listening("--key", metavar="FILE", help="Its key, if it is in a file of its own.")
@_listening(
    "--trusted-proxy",
    metavar="NETWORK",
    multiple=True,
    help="Believe these addresses (10.0.0.0/8) when they say for whom they ask. Repeatable.",
)
@_listening(
    "--proxy-header",
    type=click.Choice(["x-forwarded-for", "forwarded"]),
    default="x-forwarded-for",
    show_default=True,
    help="The header in which they say it.",
)
@_listening("--proxy-protocol", is_flag=True, help="They say it by the PROXY protocol instead.")
@_listening(
    "--workers",
    type=COUNT,
    default=1,
    show_default=True,
    help="Processes that share the ports; they need a --store.",
)
@_peers(
    "--interval",
    type=WHOLE_SECONDS,
    default=1800,
    show_default=True,
    help="Seconds between two announces of a peer; some are told up to a tenth less.",
)
@_peers(
    "--min-interval",
    type=WHOLE_SECONDS,
    help="Seconds after which a peer may ask by itself.  [default: a quarter of --interval]",
)
@_peers("--enforce-interval", is_flag=True, help="Refuse who asks before --min-interval is over.")
@_peers(
    "--expire",
    type=SOME_SECONDS,
    help="Forget peers after so many silent seconds.  [default: one and a half intervals]",
)
@_peers("--numwant", type=COUNT, default=50, show_default=True, help="Peers in a reply.")
@_peers("--max-numwant", type=COUNT, default=200, show_default=True, help="The most one may want.")
@_peers("--max-peers", type=COUNT, default=2_000_000, show_default=True, help="In all.")
@_peers("--max-torrents", type=COUNT, default=200_000, show_default=True, help="In all.")
@_peers(
    "--near-first",
    is_flag=True,
    help="Tell of peers at the same address first, then of those in the same /24 or /64.",
)
@_peers(
    "--nat-check",
    type=WHOLE,
    metavar="TRIES",
    default=0,
    show_default=True,
    help="Connect back to each peer, so many times, and tell only of those that answer.",
)
@_peers(
    "--trust-ip",
    type=click.Choice(["local", "none", "all"]),
    default="local",
    show_default=True,
    help="Who may announce another address than the one he comes from.",
)
@_torrents(
    "--torrents",
    metavar="DIR",
    help="Track the .torrent files of this folder alone; their names and sizes are shown.",
)
@_torrents(
    "--rescan",
    type=SOME_SECONDS,
    default=60.0,
    show_default=True,
    help="Look for changes in it every so many seconds.",
)
@_torrents(
    "--torrent-messages",
    is_flag=True,
    help="Answer with the 'failure reason' or 'warning message' that stands in a .torrent.",
)
@_torrents("--serve-torrents", is_flag=True, help="Give the .torrent at /file?info_hash=.")
@_torrents("--allow-hashes", metavar="FILE", help="Track the info-hashes in this file alone.")
@_torrents("--deny-hashes", metavar="FILE", help="Refuse the info-hashes in this file.")
@_torrents("--keep-dead", is_flag=True, help="Remember torrents that have no peers any more.")
@_people(
    "--users",
    metavar="FILE",
    help="Lines of KEY NAME: announces go to /KEY/announce, and are added up by name.",
)
@_people("--allow-clients", metavar="FILE", help="Only peer ids that begin so (-TR).")
@_people("--deny-clients", metavar="FILE", help="No peer ids that begin so.")
@_people("--deny-addresses", metavar="FILE", help="Networks, addresses and ranges, refused.")
@_people(
    "--rate",
    type=RATIO,
    metavar="N",
    default=0.0,
    help="Announces a second of one address.  [default: no limit]",
)
@_people(
    "--burst",
    type=RATIO,
    metavar="N",
    default=2000.0,
    show_default=True,
    help="Announces of one address at once, with --rate.",
)
@_memory("--state", metavar="FILE", help="Keep peers, counts and accounts in this file.")
@_memory(
    "--save-every",
    type=SOME_SECONDS,
    default=300.0,
    show_default=True,
    help="Save it every so many seconds, and at the end.",
)
@_memory(
    "--store",
    metavar="URL",
    envvar="RAWSERVER_STORE",
    show_envvar=True,
    help="Share peers with other trackers through Redis or Valkey: redis://HOST:PORT/DB.",
)
@_pages("--info-page/--no-info-page", default=True, help="The page for people at /.")
@_pages("--redirect", metavar="URL", help="Lead from / to there instead.")
@_pages("--names/--no-names", default=True, help="Names and sizes on it.")
@_pages("--favicon", metavar="FILE", help="Its icon.")
@_pages(
    "--scrape",
    type=click.Choice(["full", "specific", "none"]),
    default="full",
    show_default=True,
    help="Scrapes of all torrents, of named ones, or none.",
)
@_pages(
    "--statistics",
    type=click.Choice(["all", "local", "none"]),
    default="all",
    show_default=True,
    help="Who may see /stats.json and /metrics.",
)
@_pages(
    "--reload-token",
    metavar="TOKEN",
    envvar="RAWSERVER_RELOAD_TOKEN",
    show_envvar=True,
    help="What others than this machine must show to POST to /reload.",
)
@_pages("--access-log", metavar="FILE", help="A line for each request; begun anew on SIGHUP.")
@_pages("--log-nat-checks", is_flag=True, help="Lines for NAT checks in it.")
@config_option
@json_option
def tracker(json_lines: bool, **options: Any) -> None:
    """Run a tracker until ^C: by HTTP and UDP on port 6969, for any torrent.

    It tells the peers of a torrent of each other: /announce and /scrape for programs, / for
    people, /stats.json and /metrics for who watches it. SIGHUP has it read its files again.
    """
    from rawserver.cli.tracker_options import TrackerOptions
    from rawserver.cli.tracker_run import run_tracker

    settings = TrackerOptions(**options)
    settings.check()
    run_tracker(Output(json_lines), settings)
