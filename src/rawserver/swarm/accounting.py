"""What each user of a private tracker has sent and received, by what his peers say of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from struct import Struct

from rawserver.wire.announce_request import MAX_COUNT, AnnounceRequest, Event
from rawserver.wire.bencode import Value, decode, encode

# A session takes some 350 bytes: this is 175 MB, and as many as a registry has peers.
MAX_SESSIONS = 500_000
# As a registry forgets its peers: who misses one and a half announces of half an hour is gone.
SESSION_LIFETIME_SECONDS = 2700.0
# 10 Gbit/s, more than one peer of one torrent moves. Whoever says more says what is not so.
FASTEST_BYTES_PER_SECOND = 1.25e9
# Each announce takes so many of the dead away, so that none has to take many.
SWEEP_PER_ANNOUNCE = 2
# Of one user, who could else push those of all others out: more torrents than anybody seeds.
MAX_SESSIONS_OF_A_USER = 20_000
# In one block of a dump: 1 ms of work.
PER_BLOCK = 500

_ACCOUNTS, _SESSIONS = b"A", b"S"
# Bencoded, by the name.
_ACCOUNT_FIELDS = ("number", "uploaded", "downloaded", "doubtful")
# Its key (number of the account, info-hash, peer id), uploaded, downloaded, whether it has all,
# seconds since it was seen.
_SESSION = Struct(">44sqq?I")


class Account:
    """A user's. `uploaded`, `downloaded`: bytes. `seeding`, `leeching`: his torrents at present.

    `doubtful` counts announces whose amounts could not be, and were not added.
    """

    __slots__ = ("doubtful", "downloaded", "leeching", "name", "number", "seeding", "uploaded")

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.uploaded = 0
        self.downloaded = 0
        self.doubtful = 0
        self.seeding = 0
        self.leeching = 0


class _Session:
    """One peer of a user in one torrent: what it said last, and when."""

    __slots__ = ("account", "downloaded", "seed", "seen_at", "uploaded")

    def __init__(
        self, account: Account, uploaded: int, downloaded: int, seed: bool, seen_at: float
    ) -> None:
        self.account = account
        self.uploaded = uploaded
        self.downloaded = downloaded
        self.seen_at = seen_at
        self.seed = seed
        self.count(1)

    def count(self, by: int) -> None:
        if self.seed:
            self.account.seeding += by
        else:
            self.account.leeching += by


class Accounting:
    """Adds up what announces say.

    A client counts from its start, so an account grows by the difference between two announces of
    the same session: one user, torrent and peer id. The first one that is seen, one of a client
    that starts, and one whose amounts are lower than before, begin anew: they add nothing. A
    difference that takes more than `fastest` bytes per second is not added, and counted as
    doubtful. Sessions end when they stop, after `lifetime` seconds of silence, or, the most silent
    first, when there are more than `max_sessions`. Accounts stay: their number is the operator's.
    """

    name = "accounts"

    def __init__(
        self,
        *,
        max_sessions: int = MAX_SESSIONS,
        lifetime: float = SESSION_LIFETIME_SECONDS,
        fastest: float = FASTEST_BYTES_PER_SECOND,
    ) -> None:
        self._max_sessions = max_sessions
        self._lifetime = lifetime
        self._fastest = fastest
        self._accounts: dict[str, Account] = {}
        # The most silent first. A plain dictionary would do, but finds its first entry slowly when
        # those before it have been taken out.
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    @property
    def num_sessions(self) -> int:
        """How many peers are being counted."""
        return len(self._sessions)

    def accounts(self) -> Iterable[Account]:
        """Return all accounts, in the order in which they were first seen."""
        return self._accounts.values()

    def account(self, name: str) -> Account | None:
        """Return a user's account; None if nothing was heard of him yet."""
        return self._accounts.get(name)

    def note(self, name: str, announce: AnnounceRequest, now: float) -> bool:
        """Count an announce of a user; returns whether what it says can be."""
        self.expire(now, SWEEP_PER_ANNOUNCE)
        account = self._accounts.get(name) or self._open(name)
        key = account.number.to_bytes(4, "big") + announce.info_hash + announce.peer_id
        session = self._sessions.pop(key, None)
        credible = True
        if session is not None:
            session.count(-1)
            if announce.event is not Event.STARTED:
                credible = self._add(session, announce, now)
        has_room = account.seeding + account.leeching < MAX_SESSIONS_OF_A_USER
        if announce.event is not Event.STOPPED and has_room:
            self._sessions[key] = _Session(
                account, announce.uploaded, announce.downloaded, announce.left == 0, now
            )
            if len(self._sessions) > self._max_sessions:
                self._end(next(iter(self._sessions)))
        return credible

    def expire(self, now: float, limit: int) -> int:
        """Forget up to `limit` sessions that have been silent too long; return how many."""
        oldest = now - self._lifetime
        silent: list[bytes] = []
        for key, session in self._sessions.items():
            if session.seen_at >= oldest or len(silent) >= limit:
                break
            silent.append(key)
        for key in silent:
            self._end(key)
        return len(silent)

    def _open(self, name: str) -> Account:
        account = self._accounts[name] = Account(name, len(self._accounts))
        return account

    def _end(self, key: bytes) -> None:
        self._sessions.pop(key).count(-1)

    def _add(self, session: _Session, announce: AnnounceRequest, now: float) -> bool:
        uploaded = announce.uploaded - session.uploaded
        downloaded = announce.downloaded - session.downloaded
        if uploaded < 0 or downloaded < 0:
            return True  # the client has started again, and did not say so
        account = session.account
        # Clients and networks hold announces back: one may come sooner after another than it was
        # made after it.
        most = self._fastest * max(now - session.seen_at, 1.0)
        if uploaded > most or downloaded > most:
            account.doubtful += 1
            return False
        account.uploaded = min(account.uploaded + uploaded, MAX_COUNT)
        account.downloaded = min(account.downloaded + downloaded, MAX_COUNT)
        return True

    # A section of a tracker's state.

    def dump(self, now: float) -> Iterator[bytes]:
        """Yield accounts and sessions, little work at a time; announces may come between.

        The accounts come first: so what is added meanwhile may be missing after a restart, and is
        never counted twice. No key is in it.
        """
        accounts = list(self._accounts.values())
        for start in range(0, len(accounts), PER_BLOCK):
            block = {
                account.name: [getattr(account, field) for field in _ACCOUNT_FIELDS]
                for account in accounts[start : start + PER_BLOCK]
            }
            yield _ACCOUNTS + encode(block)
        keys = list(self._sessions)
        for start in range(0, len(keys), PER_BLOCK):
            some = [
                (key, session)
                for key in keys[start : start + PER_BLOCK]
                if (session := self._sessions.get(key)) is not None
            ]
            yield _SESSIONS + b"".join([_pack(key, session, now) for key, session in some])

    def restore(self, blocks: Iterable[bytes], now: float, away: float) -> None:
        """Take up what was dumped `away` seconds ago, in place of what there is.

        ValueError if it is no dump; then nothing has changed.
        """
        restored: dict[int, Account] = {}
        found: list[_Fields] = []
        for block in blocks:
            if block.startswith(_ACCOUNTS):
                restored |= {account.number: account for account in _accounts(block[1:])}
            elif block.startswith(_SESSIONS):
                found += _unpack(block[1:])
            else:
                raise ValueError("a block of the accounts has neither accounts nor sessions")
        if sorted(restored) != list(range(len(restored))):
            raise ValueError("the accounts are not numbered one by one")
        self._accounts = {restored[number].name: restored[number] for number in sorted(restored)}
        self._sessions.clear()
        # The most silent first. An account may have been opened after the accounts were dumped.
        found.sort(reverse=True)
        for age, number, peer, uploaded, downloaded, seed in found[-self._max_sessions :]:
            account = restored.get(number)
            key = number.to_bytes(4, "big") + peer
            if account is not None and key not in self._sessions:
                self._sessions[key] = _Session(
                    account, uploaded, downloaded, seed, now - away - age
                )


# Age, number of the account, info-hash and peer id, uploaded, downloaded, whether it has all.
_Fields = tuple[int, int, bytes, int, int, bool]


def _pack(key: bytes, session: _Session, now: float) -> bytes:
    age = min(max(int(now - session.seen_at), 0), 2**32 - 1)
    return _SESSION.pack(key, session.uploaded, session.downloaded, session.seed, age)


def _unpack(block: bytes) -> Iterator[_Fields]:
    if len(block) % _SESSION.size:
        raise ValueError("the sessions of the accounts are not whole")
    for key, uploaded, downloaded, seed, age in _SESSION.iter_unpack(block):
        yield age, int.from_bytes(key[:4], "big"), key[4:], uploaded, downloaded, seed


def _accounts(block: bytes) -> Iterator[Account]:
    listed = decode(block)
    if not isinstance(listed, dict):
        raise ValueError("the accounts are not a dictionary")
    for name, values in listed.items():
        yield _account(name.decode(), values)


def _account(name: str, values: Value) -> Account:
    if isinstance(values, list) and len(values) == len(_ACCOUNT_FIELDS):
        account = Account(name, 0)
        for field, value in zip(_ACCOUNT_FIELDS, values, strict=True):
            if not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
                break
            setattr(account, field, value)
        else:
            return account
    raise ValueError("an account is not four numbers")
