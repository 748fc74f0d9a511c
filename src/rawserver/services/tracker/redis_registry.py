"""A registry in Redis or Valkey: trackers of several processes and machines share their peers.

What lies in the store, and where, is told in `redis_scripts`. Beside it what announced here is
kept in memory, and what the store said last: while the store is away, or answers too late,
announces are answered from that at once, and the store is told of them when it is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypedDict

from rawserver.engine import RawServer
from rawserver.engine.tls import TlsClient
from rawserver.services.tracker.known_here import KnownHere
from rawserver.services.tracker.last_known import LastKnown
from rawserver.services.tracker.redis_client import TIMEOUT_SECONDS, RedisClient, StoreError
from rawserver.services.tracker.redis_commands import (
    Announce,
    Command,
    Completions,
    RedisCommands,
    Verdict,
    Writable,
    result_of,
)
from rawserver.services.tracker.redis_scrape import RedisScrape, ScrapeLater
from rawserver.services.tracker.redis_url import parse_redis_url
from rawserver.services.tracker.store_condition import StoreCondition
from rawserver.services.tracker.write_back import WriteBack
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.registry import (
    DEFAULT_NUMWANT,
    MAX_NUMWANT,
    MAX_PEERS,
    MAX_TORRENTS,
    PEER_LIFETIME_SECONDS,
    AnnounceResult,
    Later,
    RegistryError,
)
from rawserver.wire.announce_request import Event
from rawserver.wire.scrape import ScrapeFile

_NOT_THE_OWNER = "this peer id is in use at another address; the key does not match"


class Kept(TypedDict):
    """What memory and store are told to do alike."""

    keep_dead: bool
    hide_unverified: bool


class RedisRegistry:
    """Remembers swarms in the store at a URL (`parse_redis_url`), for all trackers that use it.

    The limits are on what is kept here, of those that announce to this tracker. All trackers of a
    store should have the same `peer_lifetime_seconds`, `keep_dead` and `hide_unverified`.
    `timeout` is in seconds: no answer comes later because of the store. `report(text)` is told
    when the store goes away and when it is back; by default the loop's `errorfunc` is.

    `len`, `num_peers`, `num_seeds` and `torrents` are of the swarms that were asked for here, with
    the counts that the store said last: nobody counts all that is in a store. Raises StoreError if
    hiredis is not installed, ValueError if the URL is none.
    """

    def __init__(
        self,
        raw_server: RawServer,
        url: str,
        *,
        max_torrents: int = MAX_TORRENTS,
        max_peers: int = MAX_PEERS,
        peer_lifetime_seconds: float = PEER_LIFETIME_SECONDS,
        keep_dead: bool = False,
        hide_unverified: bool = False,
        numwant: int = DEFAULT_NUMWANT,
        max_numwant: int = MAX_NUMWANT,
        timeout: float = TIMEOUT_SECONDS,
        tls: TlsClient | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        random = raw_server.network.random
        address = parse_redis_url(url)
        lifetime = peer_lifetime_seconds
        kept: Kept = {"keep_dead": keep_dead, "hide_unverified": hide_unverified}
        self._raw_server = raw_server
        self._limits = max_torrents, max_peers
        self._numwant = numwant
        self._max_numwant = max_numwant
        self.memory = MemoryRegistry(
            random,
            max_torrents=max_torrents,
            max_peers=max_peers,
            peer_lifetime_seconds=lifetime,
            max_numwant=max_numwant,
            **kept,
        )
        self._here = KnownHere(self.memory)
        self._known = LastKnown(lifetime)
        self._condition = StoreCondition(raw_server, str(address), report)
        self._commands = RedisCommands(random.random, lifetime, **kept)
        self._client = RedisClient(
            raw_server, address, self, self._commands.opening(), timeout=timeout, tls=tls
        )
        self._write_back = WriteBack(raw_server, self)
        # The time of whoever announced or swept last: what is asked or written is of that time.
        self._now = raw_server.network.time()
        # None before the first connection, "" for a server that does not tell.
        self._run_id: str | None = None
        self._client.start()

    def close(self) -> None:
        """End the connection; those who wait for it are answered from what is known here."""
        self._client.close()
        self._write_back.stop()

    @property
    def is_connected(self) -> bool:
        """Whether the store is asked now."""
        return self._client.ready

    @property
    def warning(self) -> str:
        """What is wrong with the store now, in a line for its operator; "" if nothing is."""
        return self._condition.warning

    # The store comes and goes.

    def store_opened(self, replies: list[Any]) -> None:
        """Take its clock, and who it is; what it has lost or missed is written back."""
        *scripts, time, info = replies
        for reply in (*scripts, time):
            if isinstance(reply, Exception):
                raise StoreError(str(reply))
        self._commands.clock = seconds_of(time) - self._raw_server.network.time()
        run_id = run_id_of(info)
        # Who does not say which run of a server he is may have lost all.
        has_lost = self._run_id is not None and (not run_id or run_id != self._run_id)
        if has_lost or self._write_back.has_dropped:
            self._write_back.add_all(self._all_known())
        self._run_id = run_id
        self._write_back.start()
        self._condition.is_there()

    def store_lost(self, reason: str) -> None:
        """Note that it is away."""
        self._write_back.stop()
        self._condition.is_away(reason)

    def _ask(self, command: Command, answered: Callable[[Any], None]) -> bool:
        def take(reply: Any) -> None:
            # A server that was restarted, or told to forget its scripts, remembers this one again.
            if isinstance(reply, Exception) and str(reply).startswith("NOSCRIPT"):
                self._client.ask_again(command.with_script(), answered)
            else:
                answered(reply)

        return self._client.ask(command.packed(), take)

    def _all_known(self) -> Iterator[Writable]:
        for item in self._here.items(lambda: self._now):
            if not isinstance(item, Completions):
                yield item
                continue
            info_hash, downloaded = item
            downloaded = self._known.file(ScrapeFile(info_hash, 0, downloaded, 0)).downloaded
            if downloaded:
                yield Completions(info_hash, downloaded)

    def write(self, item: Writable, written: Callable[[Any], None]) -> bool:
        """Tell the store of what it does not know; for `WriteBack`."""
        return self._ask(self._commands.written(item, self._now), written)

    # Announces.

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
        """Ask the store: None, then `later(result)`; or answer from here if it is away.

        Raises RegistryError, or gives it to `later`, for who has neither the key nor the address
        of the peer's entry, and for who is new when as many are kept here as may be.
        """
        wanted = self._numwant if numwant is None else min(numwant, self._max_numwant)
        asked = Announce(
            info_hash, peer_id, ip, port, left, event, wanted, now, key,
            with_ids, partial, only_own_family, later,
        )  # fmt: skip
        self._now = now
        if not self._client.ready:
            return self._missed(asked)
        memory = self.memory
        max_torrents, max_peers = self._limits
        if memory.num_peers >= max_peers or len(memory) >= max_torrents:
            self._note_here(asked, 0)  # who is new is refused by this
        command = self._commands.announce(asked, now, wanted)
        if self._ask(command, lambda reply: self._answered(asked, reply)):
            return None
        self._condition.is_troubled("it does not keep up")
        return self._missed(asked)

    def _answered(self, asked: Announce, reply: Any) -> None:
        later = asked.later or _nobody
        if isinstance(reply, list) and len(reply) == 1:
            later(
                RegistryError("this peer id is in use at another address; the key does not match")
            )
            return
        try:
            if isinstance(reply, Exception):
                raise reply
            result = result_of(reply, asked.with_ids)
        except StoreError:
            self._answer_from_here(asked, self._missed)
        except Exception as error:
            # The store is there, but of this swarm it holds what is none of ours.
            self._condition.is_troubled(f"{error}")
            self._answer_from_here(asked, self._from_here)
        else:
            self._noted(asked, result)
            later(result)

    def _noted(self, asked: Announce, result: AnnounceResult) -> None:
        try:
            self._note_here(asked, 0)
        except RegistryError:
            pass  # the store knows better whose entry it is, and this one is forgotten in time
        for_leecher = asked.left > 0 and not asked.partial
        self._known.note(asked.info_hash, result, for_leecher, asked.now)

    def _answer_from_here(
        self, asked: Announce, answer: Callable[[Announce], AnnounceResult]
    ) -> None:
        later = asked.later or _nobody
        try:
            result = answer(asked)
        except RegistryError as error:
            later(error)
        else:
            later(result)

    def _missed(self, asked: Announce) -> AnnounceResult:
        """Answer what the store does not; it is told of it when it is back."""
        result = self._from_here(asked)
        self._to_be_written(asked._replace(later=None))
        return result

    def _to_be_written(self, item: Writable) -> None:
        self._write_back.add(item)
        if self._client.ready:
            self._write_back.start()

    def _note_here(self, asked: Announce, numwant: int) -> AnnounceResult:
        return self.memory.announce(
            asked.info_hash, asked.peer_id, asked.ip, asked.port, asked.left, asked.event,
            numwant, asked.now, asked.key, with_ids=asked.with_ids, partial=asked.partial,
            only_own_family=asked.only_own_family,
        )  # fmt: skip

    def _from_here(self, asked: Announce) -> AnnounceResult:
        result = self._note_here(asked, asked.numwant)
        result = self._known.counted(asked.info_hash, result)
        is_leecher = asked.left > 0 and not asked.partial
        if not is_leecher or asked.with_ids or asked.event is Event.STOPPED:
            return result
        own = asked.ip + asked.port.to_bytes(2, "big")
        only = len(asked.ip) if asked.only_own_family else 0
        return self._known.filled_up(asked.info_hash, result, asked.numwant, own, only)

    # The NAT check's verdicts.

    def verified(self, info_hash: bytes, peer_id: bytes, ip: bytes, port: int) -> bool:
        """Hand a peer out from now on; returns whether it is known here, at this address."""
        self._judged(Verdict(info_hash, peer_id, ip, port, True))
        return self.memory.verified(info_hash, peer_id, ip, port)

    def unreachable(self, info_hash: bytes, peer_id: bytes, ip: bytes, port: int) -> bool:
        """Hand a peer out no more; returns whether it is known here, at this address."""
        self._judged(Verdict(info_hash, peer_id, ip, port, False))
        return self.memory.unreachable(info_hash, peer_id, ip, port)

    def _judged(self, verdict: Verdict) -> None:
        def answered(reply: Any) -> None:
            if isinstance(reply, StoreError):
                self._to_be_written(verdict)

        command = self._commands.verdict(verdict, self._now)
        if not self._ask(command, answered):
            self._to_be_written(verdict)

    # What is known.

    def scrape(
        self, info_hashes: Sequence[bytes], later: ScrapeLater | None = None
    ) -> Sequence[ScrapeFile] | None:
        """Ask the store: None, then `later(files)`; or answer from here if it is away."""
        if not self._client.ready or not info_hashes:
            return [file for each in info_hashes if (file := self.file_from_here(each))]
        RedisScrape(self._raw_server, self, info_hashes, later or _nobody).start()
        return None

    def ask_for_file(self, info_hash: bytes, answered: Callable[[Any], None]) -> bool:
        """Ask the store for one torrent; for `RedisScrape`."""
        return self._ask(self._commands.scrape(info_hash, self._now), answered)

    def file_from_here(self, info_hash: bytes) -> ScrapeFile | None:
        """Return what is known here of one torrent."""
        if info_hash not in self:
            return None
        here = self.memory.scrape([info_hash]) or [ScrapeFile(info_hash, 0, 0, 0)]
        return self._known.file(here[0])

    def torrents(self, limit: int | None = None) -> Iterator[ScrapeFile]:
        """Yield what is known of the torrents that announce here, the oldest first."""
        return map(self._known.file, self.memory.torrents(limit))

    def expire(self, now: float) -> int:
        """Forget some of those that have been silent too long here; the store does so itself."""
        self._now = now
        self._known.expire(now)
        return self.memory.expire(now)

    def __len__(self) -> int:
        return max(len(self.memory), len(self._known))

    def __contains__(self, info_hash: object) -> bool:
        return info_hash in self.memory or info_hash in self._known

    @property
    def num_peers(self) -> int:
        """The number of peers in the swarms of those who announce here."""
        return max(self.memory.num_peers, self._known.num_peers)

    @property
    def num_seeds(self) -> int:
        """How many of them have all of their torrent."""
        return max(self.memory.num_seeds, self._known.num_seeds)


def seconds_of(time: Any) -> float:
    """Return a server's time in seconds, from its TIME; StoreError if that is none."""
    try:
        seconds, microseconds = map(int, time)
    except (TypeError, ValueError):
        raise StoreError("it does not tell its time") from None
    return seconds + microseconds / 1e6


def run_id_of(info: Any) -> str:
    """Return which run of a server it is, from its INFO; "" if it does not say."""
    lines = info.split(b"\r\n") if isinstance(info, bytes) else []
    for line in lines:
        name, _, value = line.partition(b":")
        if name == b"run_id":
            return str(value, "latin-1")
    return ""


def _nobody(outcome: object) -> None:
    pass
