"""What a store said last of each swarm that was asked for here: what is known while it is away."""

from __future__ import annotations

from typing import NamedTuple

from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.scrape import ScrapeFile

# Of a swarm so many peers are kept as they were named last, some 300 bytes of IPv4: enough for a
# peer to find the others from there.
MAX_PEERS_KEPT = 50
# A look at so many swarms each time takes some 0.5 ms.
LOOKED_AT_PER_SWEEP = 1000


class _Said(NamedTuple):
    at: float
    complete: int
    downloaded: int
    incomplete: int
    peers4: bytes
    peers6: bytes


class LastKnown:
    """Remembers, for as long as a peer would be; the swarm longest unheard of comes first."""

    def __init__(self, lifetime_seconds: float) -> None:
        self._lifetime_seconds = lifetime_seconds
        self._said: dict[bytes, _Said] = {}
        # The peers of all swarms, as the store counted them last.
        self.num_peers = self.num_seeds = 0

    def __len__(self) -> int:
        return len(self._said)

    def __contains__(self, info_hash: object) -> bool:
        return info_hash in self._said

    def note(self, info_hash: bytes, result: AnnounceResult, for_leecher: bool, now: float) -> None:
        """Take what an announce was answered; who seeds is told of no seeds."""
        old = self._said.pop(info_hash, None)
        complete, incomplete, downloaded, peers4, peers6 = result[:5]
        self._count(complete, incomplete, 1)
        if old is not None:
            self._count(old.complete, old.incomplete, -1)
            if not (for_leecher and (peers4 or peers6)):
                peers4, peers6 = old.peers4, old.peers6
        if complete or incomplete or downloaded:
            peers4, peers6 = peers4[: 6 * MAX_PEERS_KEPT], peers6[: 18 * MAX_PEERS_KEPT]
            said = _Said(now, complete, downloaded, incomplete, peers4, peers6)
            self._said[info_hash] = said

    def file(self, here: ScrapeFile) -> ScrapeFile:
        """Return what is known of a swarm here and by the store: the larger of each."""
        said = self._said.get(here.info_hash)
        if said is None:
            return here
        return ScrapeFile(
            here.info_hash,
            max(here.complete, said.complete),
            max(here.downloaded, said.downloaded),
            max(here.incomplete, said.incomplete),
        )

    def counted(self, info_hash: bytes, here: AnnounceResult) -> AnnounceResult:
        """Return a result that was found here with the larger of each count."""
        said = self._said.get(info_hash)
        if said is None:
            return here
        return here._replace(
            complete=max(here.complete, said.complete),
            incomplete=max(here.incomplete, said.incomplete),
            downloaded=max(here.downloaded, said.downloaded),
        )

    def filled_up(
        self, info_hash: bytes, here: AnnounceResult, wanted: int, own: bytes, only: int = 0
    ) -> AnnounceResult:
        """Add peers that the store named to a result that was found here, `wanted` in all.

        `own` is the address of who asks, in compact form. With `only`, 4 or 16, only peers whose
        addresses have so many bytes are added.
        """
        said = self._said.get(info_hash)
        if said is None:
            return here
        room = wanted - len(here.peers4) // 6 - len(here.peers6) // 18
        peers4, peers6 = here.peers4, here.peers6
        if only != 16:
            more = _others(said.peers4, here.peers4, own, 6)[: max(0, room)]
            peers4, room = peers4 + b"".join(more), room - len(more)
        if only != 4:
            more = _others(said.peers6, here.peers6, own, 18)[: max(0, room)]
            peers6 += b"".join(more)
        return here._replace(peers4=peers4, peers6=peers6)

    def expire(self, now: float) -> None:
        """Forget some of what is too old."""
        oldest = now - self._lifetime_seconds
        for _ in range(min(LOOKED_AT_PER_SWEEP, len(self._said))):
            info_hash = next(iter(self._said))
            said = self._said[info_hash]
            if said.at >= oldest:
                return
            del self._said[info_hash]
            self._count(said.complete, said.incomplete, -1)

    def _count(self, complete: int, incomplete: int, sign: int) -> None:
        self.num_peers += sign * (complete + incomplete)
        self.num_seeds += sign * complete


def _others(packed: bytes, known: bytes, own: bytes, size: int) -> list[bytes]:
    """Return the peers that are not known yet, and are not who asks."""
    have = {own, *_split(known, size)}
    return [one for one in _split(packed, size) if one not in have]


def _split(packed: bytes, size: int) -> list[bytes]:
    return [packed[at : at + size] for at in range(0, len(packed), size)]
