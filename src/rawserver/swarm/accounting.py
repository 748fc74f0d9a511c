"""What each user of a private tracker has sent and received, by what his peers say of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from struct import Struct

from rawserver.wire.announce_request import MAX_COUNT, AnnounceRequest, Event
from rawserver.wire.bencode import Value

# A session takes some 350 bytes: this is 175 MB, and as many as a registry has peers.
MAX_SESSIONS = 500_000
# As a registry forgets its peers: who misses one and a half announces of half an hour is gone.
SESSION_LIFETIME_SECONDS = 2700.0
# 10 Gbit/s, more than one peer of one torrent moves. Whoever says more says what is not so.
FASTEST_BYTES_PER_SECOND = 1.25e9
# Each announce takes so many of the dead away, so that none has to take many.
SWEEP_PER_ANNOUNCE = 2
# In one string of a dump: 0.5 ms of work.
SESSIONS_PER_CHUNK = 500

# Number of the account, info-hash, peer id, uploaded, downloaded, whether it has all, age.
_SESSION = Struct(">I20s20sqq?I")


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
        if announce.event is not Event.STOPPED:
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

    # What is kept while nobody runs.

    def dump_accounts(self) -> dict[bytes, Value]:
        """Return all accounts, ready to be bencoded. No key is in it."""
        return {
            account.name.encode(): [
                account.number,
                account.uploaded,
                account.downloaded,
                account.doubtful,
            ]
            for account in self._accounts.values()
        }

    def dump_sessions(self, now: float) -> Iterator[bytes]:
        """Yield all sessions, some at a time; announces may come between.

        Take it after `dump_accounts`: then what is added meanwhile is lost by a restart, and never
        counted twice. Without the sessions each begins anew, and what was moved since its last
        announce is lost.
        """
        keys = list(self._sessions)
        for start in range(0, len(keys), SESSIONS_PER_CHUNK):
            some = [
                (key, session)
                for key in keys[start : start + SESSIONS_PER_CHUNK]
                if (session := self._sessions.get(key)) is not None
            ]
            yield b"".join([_pack(key, session, now) for key, session in some])

    def restore(
        self,
        accounts: Mapping[bytes, Value],
        sessions: Iterable[bytes] = (),
        *,
        now: float,
        away: float = 0.0,
    ) -> None:
        """Take up what was dumped, into an accounting that has heard nothing yet.

        `away`: seconds since the dump. Raises ValueError if it is no dump, and then has changed
        nothing.
        """
        restored = [_account(name, fields) for name, fields in accounts.items()]
        by_number = {account.number: account for account in restored}
        if sorted(by_number) != list(range(len(restored))):
            raise ValueError("the accounts of a dump are not numbered one by one")
        found = [fields for chunk in sessions for fields in _unpack(chunk)]
        self._accounts = {by_number[number].name: by_number[number] for number in sorted(by_number)}
        self._sessions.clear()
        # Sessions were noted while announces came: they are in order but for those.
        for age, number, info_hash, peer_id, uploaded, downloaded, seed in sorted(
            found, key=_age_of, reverse=True
        ):
            # One that was opened after the accounts were dumped.
            if number in by_number:
                key = number.to_bytes(4, "big") + info_hash + peer_id
                seen_at = now - away - age
                if key not in self._sessions and len(self._sessions) < self._max_sessions:
                    self._sessions[key] = _Session(
                        by_number[number], uploaded, downloaded, seed, seen_at
                    )


_Fields = tuple[int, int, bytes, bytes, int, int, bool]


def _age_of(fields: _Fields) -> int:
    return fields[0]


def _pack(key: bytes, session: _Session, now: float) -> bytes:
    age = min(max(int(now - session.seen_at), 0), 2**32 - 1)
    number = int.from_bytes(key[:4], "big")
    counts = session.uploaded, session.downloaded, session.seed
    return _SESSION.pack(number, key[4:24], key[24:], *counts, age)


def _unpack(chunk: bytes) -> Iterator[_Fields]:
    if len(chunk) % _SESSION.size:
        raise ValueError("the sessions of a dump are not whole")
    for number, info_hash, peer_id, uploaded, downloaded, seed, age in _SESSION.iter_unpack(chunk):
        yield age, number, info_hash, peer_id, uploaded, downloaded, seed


def _account(name: bytes, fields: Value) -> Account:
    match fields:
        case [int(number), int(uploaded), int(downloaded), int(doubtful)]:
            if min(number, uploaded, downloaded, doubtful) >= 0:
                account = Account(name.decode(), number)
                account.uploaded = min(uploaded, MAX_COUNT)
                account.downloaded = min(downloaded, MAX_COUNT)
                account.doubtful = doubtful
                return account
    raise ValueError("an account of a dump is not four numbers")
