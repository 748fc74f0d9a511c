"""What stands before a tracker's registry, and what looks on behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rawserver.services.tracker.asker import Asker
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import AnnounceRequest


class Refused(Exception):
    """An announce is refused. The text is sent as `failure reason`.

    `retry_in`: after how many seconds it may be tried again; 0 for never, None leaves it to the
    client (BEP 31).
    """

    def __init__(self, reason: str, retry_in: int | None = None) -> None:
        super().__init__(reason)
        self.retry_in = retry_in


class Gate(Protocol):
    """Decides on an announce before anything is noted of it.

    Any callable is one. A program's own goes beside the others:

        def only_while_on_sale(announce, asker):
            title = shop.title_of(announce.info_hash)
            if title is None:
                raise Refused("nothing of ours")
            if title.sold_out:
                raise Refused("sold out; more tomorrow", retry_in=24 * 3600)
            return "the last copies" if title.is_rare else None

        tracker.gates.append(only_while_on_sale)

    They are asked in order, up to the first that refuses; it runs on the loop, so what it looks
    up it must have in memory. An error other than Refused is a fault, and nobody is let through.

    Whoever asks for something else is its business if it has methods for that:
    `admit(asker)` raises Refused for who may not scrape nor get a .torrent; `shows(info_hash)` is
    false for a torrent of which no scrape, page or /file tells; `refuses(ip)` is true for a packed
    address that gets no answer at all: HTTP closes its connections, UDP drops its datagrams.
    """

    def __call__(self, announce: AnnounceRequest, asker: Asker) -> str | None:
        """Return None, or a warning for whoever asked; raises Refused."""


# Told of each announce that was right: what was asked, by whom, and what it was answered.
Watcher = Callable[[AnnounceRequest, Asker, AnnounceResult], None]
