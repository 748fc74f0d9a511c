"""A tracker's memory: which peers are in which torrent's swarm, and whom to tell of whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from rawserver.wire.announce_request import Event
from rawserver.wire.compact_peers import Peer
from rawserver.wire.scrape import ScrapeFile

# bttrack's response_size and max_give.
DEFAULT_NUMWANT = 50
MAX_NUMWANT = 200
# bttrack's reannounce_interval is half an hour; who misses one and a half is gone.
PEER_LIFETIME_SECONDS = 2700.0
# Anybody may announce any number of info-hashes and peer ids. A peer takes some 70 bytes in memory,
# and a torrent some 700 beside that: strangers can make a tracker hold some 300 megabytes.
MAX_PEERS = 3_000_000
MAX_TORRENTS = 150_000


class RegistryError(Exception):
    """An announce is refused. The text may be sent as `failure reason`."""


class Random(Protocol):
    """The chance that a registry needs; `random.Random` is one."""

    def random(self) -> float: ...


class AnnounceResult(NamedTuple):
    """What an announce is answered: seeds, other peers, completed downloads, and peers to dial.

    `peers4`, `peers6`: the peers in compact form (BEP 23, BEP 7). `peers`: the same with their
    peer ids, only if asked for. `unverified`: nobody has tried yet to reach whoever asked, and he
    is not handed out before.
    """

    complete: int
    incomplete: int
    downloaded: int
    peers4: bytes = b""
    peers6: bytes = b""
    peers: tuple[Peer, ...] = ()
    unverified: bool = False


Later = Callable[[AnnounceResult | RegistryError], None]


class Registry(Protocol):
    """Remembers who is in which swarm.

    A peer is known by info-hash, peer id and address family. Info-hashes and peer ids have 20
    bytes, addresses 4 or 16 (an IPv4 address in IPv6 is given as IPv4).
    """

    def __len__(self) -> int: ...

    def __contains__(self, info_hash: object) -> bool: ...

    @property
    def num_peers(self) -> int:
        """The number of peers in all swarms."""

    @property
    def num_seeds(self) -> int:
        """How many of them have all of their torrent."""

    def announce(
        self,
        info_hash: bytes,
        peer_id: bytes,
        ip: bytes,
        port: int,
        left: int,
        event: Event,
        numwant: int | None,
        now: float,
        key: bytes = b"",
        *,
        with_ids: bool = False,
        partial: bool = False,
        only_own_family: bool = False,
        later: Later | None = None,
    ) -> AnnounceResult | None:
        """Note that a peer is there (or has stopped) and return others for it to dial.

        Never the asker himself, nobody twice, and nobody who listens nowhere (port 0). Who wants
        nothing is told of nobody who wants nothing: seeds are not told of seeds. Others get of
        all by their numbers, but one seed at least. A peer is changed only by who has its key or
        its address.

        `left`: the bytes that it still has to get; `partial`: but it does not want them (BEP 21).
        `numwant`: 0 or more, None for DEFAULT_NUMWANT; MAX_NUMWANT is the most. `now` is in
        seconds and never goes back. `with_ids` fills in `peers`. `only_own_family`: the reply can
        hold no other addresses (BEP 15); else those of its own family come first.

        None: the answer comes by `later(answer)`. Raises RegistryError, or gives it to `later`, if
        the announce is refused.
        """

    def scrape(
        self,
        info_hashes: Sequence[bytes],
        later: Callable[[Sequence[ScrapeFile]], None] | None = None,
    ) -> Sequence[ScrapeFile] | None:
        """Return what is known of some torrents; those that are not known are left out."""

    def torrents(self, limit: int | None = None) -> Iterator[ScrapeFile]:
        """Yield what is known of all torrents, or of the first `limit`, the oldest first.

        Announces may come between the steps.
        """

    def expire(self, now: float) -> int:
        """Forget some of those that have been silent too long; return how many.

        To be called about once a second.
        """

    def verified(self, info_hash: bytes, peer_id: bytes, ip: bytes, port: int) -> bool:
        """Hand a peer out from now on; False if it is not there, or at another address by now."""

    def unreachable(self, info_hash: bytes, peer_id: bytes, ip: bytes, port: int) -> bool:
        """Hide a peer, and call it unverified no more, until its address changes.

        False if it is not there, or at another address by now.
        """
