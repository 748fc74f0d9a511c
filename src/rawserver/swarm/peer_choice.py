"""Whom of a swarm a peer is told of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from rawserver.swarm.peer_entry import DOWNLOADER, HIDDEN
from rawserver.swarm.peer_table import PeerTable
from rawserver.swarm.tracked_swarm import TrackedSwarm
from rawserver.wire.compact_peers import Peer, ip_to_text

# choose(the asker's ip, packed addresses of his family, how many he wants) returns those chosen,
# packed too. It is asked only where there are more than wanted.
Choose = Callable[[bytes, bytes, int], bytes]

# So many are shown to who chooses: the near ones should be among them, and it looks at each, which
# takes about a microsecond.
MOST_CANDIDATES = 1000


class Asker(NamedTuple):
    """Who asks: where he is kept, what he is (`kind`, with HIDDEN), his packed address."""

    table: PeerTable
    kind: int
    address: bytes
    peer_id: bytes


class PeerChoice:
    """Draws peers for one who asks: by chance alone, or out of a sample by `choose`."""

    def __init__(self, random: Callable[[], float], choose: Choose | None = None) -> None:
        self._random = random
        self._choose = choose

    def peers(
        self,
        swarm: TrackedSwarm,
        asker: Asker,
        wanted: int,
        only_own_family: bool = False,
        ids: dict[bytes, bytes] | None = None,
    ) -> tuple[bytes, bytes]:
        """Return packed addresses, IPv4 and IPv6; those of the asker's own family come first.

        If a dictionary is given, it gets the peer ids by packed address.
        """
        table = asker.table
        is_ipv4 = table is swarm.ipv4
        other = swarm.ipv6 if is_ipv4 else swarm.ipv4
        if only_own_family or other is None:
            own, others = self._of_own_family(asker, wanted, ids), b""
        else:
            # A downloader gets one seed at least, even if it is of the other family.
            is_downloader = asker.kind & ~HIDDEN == DOWNLOADER
            kept = bool(wanted and is_downloader and other.seeds and not table.seeds)
            own = self._of_own_family(asker, wanted - kept, ids)
            others = self._draw(asker, other, wanted - len(own) // table.layout.width, ids)
            if kept and not others:
                # The only seed there was the asker itself, by its other address.
                own = self._of_own_family(asker, wanted, ids)
        return (own, others) if is_ipv4 else (others, own)

    def _of_own_family(self, asker: Asker, wanted: int, ids: dict[bytes, bytes] | None) -> bytes:
        if self._choose is None:
            return self._draw(asker, asker.table, wanted, ids)
        candidates = self._draw(asker, asker.table, max(wanted, MOST_CANDIDATES), ids)
        most = wanted * asker.table.layout.width
        if len(candidates) <= most or not wanted:
            return candidates[:most]
        return self._choose(asker.address[:-2], candidates, wanted)[:most]

    def _draw(
        self, asker: Asker, table: PeerTable, wanted: int, ids: dict[bytes, bytes] | None
    ) -> bytes:
        kind = asker.kind & ~HIDDEN
        visible = table is asker.table and not asker.kind & HIDDEN
        if ids is None:
            own = asker.address if table is asker.table else table.address_of(asker.peer_id)
            return table.draw(kind, visible, own, wanted, self._random)
        drawn = table.draw_ids(kind, visible, asker.peer_id, wanted, self._random)
        ids.update(drawn)
        return b"".join(drawn)


def peers_of(packed: bytes, width: int, ids: dict[bytes, bytes]) -> Iterator[Peer]:
    """Yield packed addresses of `width` bytes each as peers with their ids."""
    for start in range(0, len(packed), width):
        address = packed[start : start + width]
        port = int.from_bytes(address[-2:], "big")
        yield Peer(ip_to_text(address[:-2]), port, ids[address])
