"""The addresses at which peers of one torrent may be, and when to dial which."""

from __future__ import annotations

from enum import Enum
from heapq import heapify, heappop, heappush

Address = tuple[str, int]

# libtorrent's max_peerlist_size: a tracker that lies can make us remember this much and no more.
MAX_CANDIDATES = 3000
# A peer that starts a little after us is found soon; one that is gone costs little.
FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 600.0
# 5 s doubled seven times: an address is dialled eight times in some ten minutes, then given up.
MAX_FAILURES = 8
# A tracker that still lists an address after this long has heard of it again.
FORGIVEN_AFTER_SECONDS = 3600.0
# A connection that lives shorter than this was as good as refused.
SHORTEST_STAY_SECONDS = 30.0
# So long a torrent that has become complete waits for its tracker to name again who is not.
POSTPONED_SECONDS = 300.0


class _State(Enum):
    WAITING = "waiting"
    DIALLING = "dialling"
    CONNECTED = "connected"
    GIVEN_UP = "given up"


class _Candidate:
    __slots__ = ("due", "failures", "postponed", "since", "source", "state", "ticket")

    def __init__(self, source: str) -> None:
        self.source = source
        self.state = _State.WAITING
        self.since = 0.0
        self.failures = 0
        # When it would be dialled, and whether that is put off until somebody names it again.
        self.due = 0.0
        self.postponed = False
        # Only the entry of the queue with the same number counts.
        self.ticket = 0


class Candidates:
    """Remembers addresses, each once, and says which is to be dialled next.

    An address goes from waiting to dialling to connected and back. Failures make it wait longer
    each time; at last it is given up.
    """

    def __init__(self) -> None:
        self._known: dict[Address, _Candidate] = {}
        # Those that make room when there is none, the first to be given up first.
        self._given_up: dict[Address, None] = {}
        # Never to be dialled (ourselves, banned, seeds when we are one), oldest first.
        self._never: dict[Address, None] = {}
        # (when to dial, ticket, address); a candidate that moved on leaves a stale entry behind.
        self._queue: list[tuple[float, int, Address]] = []
        self._tickets = 0

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, address: Address) -> bool:
        return address in self._known

    def source(self, address: Address) -> str:
        """Return who first told of a known address; KeyError if it is not known."""
        return self._known[address].source

    def add(self, address: Address, source: str, now: float) -> bool:
        """Take an address to dial; False if that changes nothing: known, never to be dialled,
        without a port, or one too many. `source` says who told of it.
        """
        known = self._known.get(address)
        if known is not None:
            return self._resume(address, known, now) or self._forgive(address, known, now)
        if address in self._never or not 0 < address[1] <= 65535:
            return False
        if len(self._known) >= MAX_CANDIDATES and not self._drop_one_given_up():
            return False
        candidate = self._known[address] = _Candidate(source)
        self._wait(address, candidate, now)
        return True

    def next_to_dial(self, now: float) -> Address | None:
        """Return the address that has been due for longest, or None.

        It stays due until `dialled`, `ban` or the like is told of it.
        """
        queue = self._queue
        while queue and queue[0][0] <= now:
            _, ticket, address = queue[0]
            if self._is_current(ticket, address):
                return address
            heappop(queue)
        return None

    def dialled(self, address: Address, now: float) -> None:
        """Note that we are connecting to an address."""
        self._move(address, _State.DIALLING, now)

    def connected(self, address: Address, now: float) -> None:
        """Note that a peer of this torrent answered."""
        self._move(address, _State.CONNECTED, now)

    def failed(self, address: Address, now: float) -> None:
        """Note that nobody answered, or not as a peer of this torrent does."""
        candidate = self._known.get(address)
        if candidate is None:
            return
        candidate.failures += 1
        if candidate.failures >= MAX_FAILURES:
            self._move(address, _State.GIVEN_UP, now)
            self._given_up[address] = None
            return
        delay = FIRST_RETRY_SECONDS * 2.0 ** (candidate.failures - 1)
        self._wait(address, candidate, now + min(delay, LONGEST_RETRY_SECONDS))

    def disconnected(self, address: Address, now: float) -> None:
        """Note that a connection ended; one that had lasted is tried again soon."""
        candidate = self._known.get(address)
        if candidate is None:
            return
        if candidate.state is _State.CONNECTED and now - candidate.since >= SHORTEST_STAY_SECONDS:
            candidate.failures = 0
        self.failed(address, now)

    def postpone(self, now: float, ip: str | None = None) -> None:
        """Note that we have everything: most of those that wait may have so, too, by now.

        With `ip`, that somebody there has everything, of whom it is not known where it listens.

        They are dialled as soon as they are named again, as a tracker names to a seed who is not
        one; or in five minutes, as it may not answer. Whom a person named is dialled as before.
        """
        for address, candidate in self._known.items():
            if ip is not None and address[0] != ip:
                continue
            if candidate.state is _State.WAITING and candidate.source != "person":
                due = candidate.due
                self._wait(address, candidate, max(due, now + POSTPONED_SECONDS))
                candidate.due = due
                candidate.postponed = True

    def is_ourselves(self, address: Address) -> None:
        """Note that we met ourselves at an address."""
        self._never_again(address)

    def is_seed(self, address: Address) -> None:
        """Note that the peer has everything, and so have we."""
        self._never_again(address)

    def ban(self, address: Address) -> None:
        """Note that we want nothing to do with an address."""
        self._never_again(address)

    def _resume(self, address: Address, candidate: _Candidate, now: float) -> bool:
        if not candidate.postponed:
            return False
        self._wait(address, candidate, max(candidate.due, now))
        return True

    def _forgive(self, address: Address, candidate: _Candidate, now: float) -> bool:
        given_up = candidate.state is _State.GIVEN_UP
        if not given_up or now - candidate.since < FORGIVEN_AFTER_SECONDS:
            return False
        candidate.failures = 0
        self._wait(address, candidate, now)
        return True

    def _never_again(self, address: Address) -> None:
        self._known.pop(address, None)
        self._given_up.pop(address, None)
        if address not in self._never and len(self._never) >= MAX_CANDIDATES:
            del self._never[next(iter(self._never))]
        self._never[address] = None

    def _move(self, address: Address, state: _State, now: float) -> None:
        candidate = self._known.get(address)
        if candidate is not None:
            candidate.state = state
            candidate.since = now
            candidate.postponed = False
            self._given_up.pop(address, None)

    def _wait(self, address: Address, candidate: _Candidate, until: float) -> None:
        self._tickets += 1
        candidate.state = _State.WAITING
        candidate.ticket = self._tickets
        candidate.due = until
        candidate.postponed = False
        self._given_up.pop(address, None)
        # Stale entries go when they come to the head; this bounds those that never do.
        if len(self._queue) > 2 * MAX_CANDIDATES:
            self._queue = [entry for entry in self._queue if self._is_current(*entry[1:])]
            heapify(self._queue)
        heappush(self._queue, (until, self._tickets, address))

    def _is_current(self, ticket: int, address: Address) -> bool:
        candidate = self._known.get(address)
        return (
            candidate is not None
            and candidate.ticket == ticket
            and candidate.state is _State.WAITING
        )

    def _drop_one_given_up(self) -> bool:
        address = next(iter(self._given_up), None)
        if address is None:
            return False
        del self._known[address], self._given_up[address]
        return True
