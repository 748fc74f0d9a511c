"""The NAT check: a peer is handed out when the tracker has reached it itself (bttrack's nat_check).

It connects back to where a peer says that it listens and shakes hands as a peer would (BEP 3). Who
answers with this torrent and a peer id of the program that announced is reachable; who does not is
counted, but nobody is sent there. Peers that answer encrypted handshakes alone are not reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from rawserver.engine import RawServer, SingleSocket, Task
from rawserver.services.tracker.asker import Asker
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import AnnounceRequest, Event
from rawserver.wire.compact_peers import ip_to_text
from rawserver.wire.peer_id import make_peer_id
from rawserver.wire.peer_wire import HANDSHAKE_LENGTH, encode_handshake

# bttrack's nat_check: so often is a peer tried before the tracker gives it up.
DEFAULT_TRIES = 3
# Behind most NATs nothing answers; each of those would hold its place for as long as this.
TIMEOUT_SECONDS = 10.0
# The wait before the next try of one that was not reached.
RETRY_SECONDS = 60.0
# Checks at once: a wave of announces must not make the tracker a port scanner in a hurry.
MOST_AT_ONCE = 64
# The bytes of a peer id that name a program and its version (BEP 20). libtorrent makes up the
# others for each connection anew, so that who announced is known by these alone.
PROGRAM_LENGTH = 8
# Checks that wait: at 64 at once, with most of them unanswered, half an hour's worth. Who finds no
# room is checked at the next announce.
MOST_WAITING = 10_000
# Of one address (one IPv6 /64): whole providers stand behind one, but who makes peers up must not
# take the room of all others. Addresses take turns, so that nor do they wait for his to be tried.
MOST_OF_ONE_ADDRESS = 1_000


class Verdict(IntEnum):
    """What came of a check, by the numbers of bttrack's log."""

    REACHED = 200
    SOMEBODY_ELSE = 404
    UNREACHABLE = 503


class Verified(Protocol):
    """The registry, as far as it is told."""

    def verified(self, info_hash: bytes, peer_id: bytes, ip: bytes, port: int) -> bool: ...
    def unreachable(self, info_hash: bytes, peer_id: bytes, ip: bytes, port: int) -> bool: ...


NatLog = Callable[[str, int, Verdict], None]

# Who is checked: info-hash, peer id, ip, port.
Candidate = tuple[bytes, bytes, bytes, int]


class NatCheck:
    """A watcher that checks the peers that a registry says are unverified.

    Each is tried `tries` times, and given `timeout` seconds to connect and as many to answer.
    `log(ip, port, verdict)` is told of each check that is over. The checks end with `context`.
    """

    def __init__(
        self,
        raw_server: RawServer,
        registry: Verified,
        *,
        tries: int = DEFAULT_TRIES,
        timeout: float = TIMEOUT_SECONDS,
        log: NatLog | None = None,
        context: object = None,
    ) -> None:
        self.raw_server = raw_server
        self.context = context
        self.timeout = timeout
        self.reached = self.failed = 0
        self._registry = registry
        self._tries = tries
        self._log = log
        self._peer_id = make_peer_id(raw_server.network.random_bytes(12))
        # By address, the one whose turn is next first.
        self._waiting: dict[bytes, deque[Candidate]] = {}
        # All that wait, run or are to be tried again, and how often they failed; and their number
        # by address.
        self._failures: dict[Candidate, int] = {}
        self._numbers: dict[bytes, int] = {}
        self._running = 0

    def __call__(self, announce: AnnounceRequest, asker: Asker, result: AnnounceResult) -> None:
        """Note who announced, if he is to be checked."""
        if result.unverified and announce.port and announce.event is not Event.STOPPED:
            candidate = (announce.info_hash, announce.peer_id, asker.ip, announce.port)
            address = _address_of(candidate)
            number = self._numbers.get(address, 0)
            has_room = len(self._failures) < MOST_WAITING and number < MOST_OF_ONE_ADDRESS
            if candidate not in self._failures and has_room:
                self._failures[candidate] = 0
                self._numbers[address] = number + 1
                self._wait(candidate)

    def _wait(self, candidate: Candidate) -> None:
        self._waiting.setdefault(_address_of(candidate), deque()).append(candidate)
        self._begin_some()

    def _begin_some(self) -> None:
        waiting = self._waiting
        while waiting and self._running < MOST_AT_ONCE:
            address = next(iter(waiting))
            of_address = waiting.pop(address)
            candidate = of_address.popleft()
            if of_address:
                waiting[address] = of_address
            self._running += 1
            Check(self, candidate, self._peer_id)

    def _forget(self, candidate: Candidate) -> None:
        address = _address_of(candidate)
        del self._failures[candidate]
        self._numbers[address] -= 1
        if not self._numbers[address]:
            del self._numbers[address]

    def over(self, candidate: Candidate, verdict: Verdict) -> None:
        """Take a verdict; for a check of this object."""
        info_hash, peer_id, ip, port = candidate
        self._running -= 1
        if self._log is not None:
            self._log(ip_to_text(ip), port, verdict)
        if verdict is Verdict.REACHED:
            self.reached += 1
            self._forget(candidate)
            self._registry.verified(info_hash, peer_id, ip, port)
        else:
            self.failed += 1
            self._failures[candidate] += 1
            if self._failures[candidate] >= self._tries:
                self._forget(candidate)
                self._registry.unreachable(info_hash, peer_id, ip, port)
            else:
                self.raw_server.add_task(self._wait, RETRY_SECONDS, (candidate,), self.context)
        self._begin_some()


def _address_of(candidate: Candidate) -> bytes:
    """Return what counts as one address: who has one IPv6 address has all of its /64."""
    ip = candidate[2]
    return ip[:8] if len(ip) == 16 else ip


class Check:
    """One connection back to a peer."""

    def __init__(self, owner: NatCheck, candidate: Candidate, own_id: bytes) -> None:
        self._owner = owner
        self._candidate = candidate
        self._answer = bytearray()
        self._over = False
        info_hash, self._peer_id, ip, port = candidate
        self._info_hash = info_hash
        raw_server = owner.raw_server
        self._connection: SingleSocket = raw_server.start_connection(
            (ip_to_text(ip), port), self, owner.context, connect_timeout=owner.timeout
        )
        self._connection.write(encode_handshake(info_hash, own_id))
        self._deadline: Task | None = None

    # What RawServer calls.

    def connection_made(self, connection: SingleSocket) -> None:
        owner = self._owner
        self._deadline = owner.raw_server.add_task(self._too_late, owner.timeout, (), owner.context)

    def connection_failed(self, address: object, error: OSError) -> None:
        self._end(Verdict.UNREACHABLE)

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        self._answer += data
        if len(self._answer) >= HANDSHAKE_LENGTH:
            self._end(self._judge(bytes(self._answer)))

    def connection_lost(self, connection: SingleSocket) -> None:
        self._end(Verdict.SOMEBODY_ELSE if self._answer else Verdict.UNREACHABLE)

    def _judge(self, answer: bytes) -> Verdict:
        # The eight reserved bytes are the peer's own; the rest is known beforehand.
        expected = encode_handshake(self._info_hash, self._peer_id)
        known = slice(28, HANDSHAKE_LENGTH - 20 + PROGRAM_LENGTH)
        same = answer[:20] == expected[:20] and answer[known] == expected[known]
        return Verdict.REACHED if same else Verdict.SOMEBODY_ELSE

    def _too_late(self) -> None:
        self._end(Verdict.UNREACHABLE)

    def _end(self, verdict: Verdict) -> None:
        if not self._over:
            self._over = True
            if self._deadline is not None:
                self._deadline.cancel()
            self._connection.close()
            self._owner.over(self._candidate, verdict)
