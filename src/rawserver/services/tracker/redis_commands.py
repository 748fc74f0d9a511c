"""What a tracker asks of a store, as commands and back (see `redis_scripts`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from rawserver.services.tracker.redis_client import pack_command
from rawserver.services.tracker.redis_scripts import (
    ANNOUNCE,
    COMPLETIONS,
    SCRAPE,
    VERDICT,
)
from rawserver.swarm.registry import MAX_NUMWANT, AnnounceResult, Later
from rawserver.wire.announce_request import Event
from rawserver.wire.compact_peers import Peer, ip_to_text
from rawserver.wire.scrape import ScrapeFile

_EVENTS = {Event.COMPLETED: b"c", Event.STOPPED: b"x"}
_PEER_ID_LENGTH = 20
_SCRIPTS = (ANNOUNCE, SCRAPE, VERDICT, COMPLETIONS)


class Announce(NamedTuple):
    """One announce as a registry is told of it; `now` is of this machine's clock.

    `flags` is what is known of the peer from before: COMPLETED, VERIFIED, UNREACHABLE, and
    `digest` what is kept of its key.
    """

    info_hash: bytes
    peer_id: bytes
    ip: bytes
    port: int
    left: int
    event: Event
    numwant: int
    now: float
    key: bytes
    with_ids: bool
    partial: bool
    only_own_family: bool
    later: Later | None
    flags: int = 0
    digest: int = 0


class Verdict(NamedTuple):
    """What a NAT check found."""

    info_hash: bytes
    peer_id: bytes
    ip: bytes
    port: int
    listens: bool


class Completions(NamedTuple):
    """How often a torrent was completed."""

    info_hash: bytes
    downloaded: int


Writable = Announce | Verdict | Completions


class Command(NamedTuple):
    """What is sent, and what is sent in its place when the store has forgotten the script."""

    words: tuple[bytes | str | int, ...]
    script: str

    def packed(self) -> bytes:
        return pack_command(*self.words)

    def with_script(self) -> bytes:
        """Return the command with the whole script, which the store remembers from then on."""
        return pack_command("EVAL", self.script, *self.words[2:])


class RedisCommands:
    """Builds commands. `clock` is what the store's is ahead of this machine's, in seconds."""

    def __init__(
        self,
        random: Callable[[], float],
        peer_lifetime_seconds: float,
        *,
        keep_dead: bool = False,
        hide_unverified: bool = False,
    ) -> None:
        self.clock = 0.0
        self._random = random
        self._common = (int(peer_lifetime_seconds * 1000), int(keep_dead))
        self._hides = "h" if hide_unverified else ""
        self._announce, self._scrape, self._verdict, self._completions = map(_sha1, _SCRIPTS)

    @staticmethod
    def opening() -> list[bytes]:
        """Return what a connection begins with: its scripts, the clock, who the server is."""
        scripts = [pack_command("SCRIPT", "LOAD", script) for script in _SCRIPTS]
        return [*scripts, pack_command("TIME"), pack_command("INFO", "server")]

    def announce(self, asked: Announce, now: float, numwant: int) -> Command:
        """Return an announce that was made at `asked.now`, and is written `now`."""
        family, twin = (b"4", b"6") if len(asked.ip) == 4 else (b"6", b"4")
        kind = b"s" if asked.left == 0 else b"u" if asked.partial else b"l"
        options = self._hides
        if asked.only_own_family:
            options += "f"
        words = (
            "EVALSHA", self._announce, 1, _keys_of(asked.info_hash), self._milliseconds(now),
            *self._common, asked.peer_id + family, asked.peer_id + twin,
            asked.ip + asked.port.to_bytes(2, "big"), asked.digest or digest_of(asked.key), kind,
            _EVENTS.get(asked.event, b"n"),
            numwant,
            int((now - asked.now) * 1000), int(self._random() * 2**30),
            asked.flags, options,
        )  # fmt: skip
        return Command(words, ANNOUNCE)

    def scrape(self, info_hash: bytes, now: float) -> Command:
        """Return the question for one torrent."""
        at = self._milliseconds(now)
        words = ("EVALSHA", self._scrape, 1, _keys_of(info_hash), at, *self._common)
        return Command(words, SCRAPE)

    def verdict(self, verdict: Verdict, now: float) -> Command:
        """Return what tells the store of a verdict."""
        info_hash, peer_id, ip, port, listens = verdict
        name = peer_id + (b"4" if len(ip) == 4 else b"6")
        words = (
            "EVALSHA", self._verdict, 1, _keys_of(info_hash), self._milliseconds(now),
            *self._common, name, ip + port.to_bytes(2, "big"), int(listens),
        )  # fmt: skip
        return Command(words, VERDICT)

    def completions(self, completions: Completions, now: float) -> Command:
        """Return what tells the store how often a torrent was completed, if it does not know."""
        info_hash, downloaded = completions
        at = self._milliseconds(now)
        words = (
            "EVALSHA", self._completions, 1, _keys_of(info_hash), at, *self._common, downloaded
        )  # fmt: skip
        return Command(words, COMPLETIONS)

    def written(self, item: Writable, now: float) -> Command:
        """Return what tells the store of something that it does not know yet."""
        if isinstance(item, Announce):
            return self.announce(item, now, 0)
        if isinstance(item, Verdict):
            return self.verdict(item, now)
        return self.completions(item, now)

    def _milliseconds(self, now: float) -> int:
        return int((now + self.clock) * 1000)


def result_of(reply: list[int | bytes], with_ids: bool) -> AnnounceResult:
    """Read the reply to an announce; ValueError if it is none."""
    complete, incomplete, downloaded, peers4, peers6, hidden = reply
    if not (isinstance(peers4, bytes) and isinstance(peers6, bytes)):
        raise ValueError("an answer that is none of ours")
    peers: tuple[Peer, ...] = ()
    if with_ids:
        peers = (*_whole_peers(peers4, 4), *_whole_peers(peers6, 16))
    return AnnounceResult(
        int(complete),
        int(incomplete),
        int(downloaded),
        addresses_of(peers4, 6),
        addresses_of(peers6, 18),
        peers,
        bool(hidden),
    )


def file_of(info_hash: bytes, reply: list[int]) -> ScrapeFile:
    """Read the reply to a scrape; ValueError if it is none."""
    complete, incomplete, downloaded, leechers = reply
    return ScrapeFile(info_hash, complete, downloaded, incomplete, leechers)


def digest_of(key: bytes) -> int:
    """Return what is kept of a peer's key, 0 for none."""
    return crc32(key) if key else 0


def _keys_of(info_hash: bytes) -> str:
    return f"rs:{{{info_hash.hex()}}}:"


def _whole_peers(members: bytes, length: int) -> list[Peer]:
    size = length + 2 + _PEER_ID_LENGTH
    return [
        Peer(
            ip_to_text(member[:length]),
            int.from_bytes(member[length : length + 2], "big"),
            member[length + 2 :],
        )
        for member in (members[start : start + size] for start in range(0, len(members), size))
    ]


def addresses_of(members: bytes, length: int) -> bytes:
    """Return the addresses of `length` bytes with which members begin, one after the other."""
    if not members:
        return b""
    count, rest = divmod(len(members), length + _PEER_ID_LENGTH)
    if rest:
        raise ValueError("an answer that is none of ours")
    return b"".join(_struct_of(count, length).unpack(members))


@lru_cache(maxsize=2 * (MAX_NUMWANT + 1))
def _struct_of(count: int, length: int) -> Struct:
    return Struct(f"{length}s{_PEER_ID_LENGTH}x" * count)


def _sha1(script: str) -> str:
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
