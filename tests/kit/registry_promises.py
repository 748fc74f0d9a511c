"""What every registry of a tracker promises, whether it answers at once or later.

`PROMISES` are functions of a `Desk`, which opens the registry and waits for its answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rawserver.swarm.registry import (
    DEFAULT_NUMWANT,
    MAX_NUMWANT,
    AnnounceResult,
    Later,
    Registry,
    RegistryError,
)
from rawserver.wire.announce_request import Event
from rawserver.wire.compact_peers import ip_to_bytes, ip_to_text, unpack_peers
from rawserver.wire.scrape import ScrapeFile

HASH = b"h" * 20
OTHER_HASH = b"x" * 20

# ask(call): `call(later)` returns the answer, or None if it comes by `later(answer)`.
Ask = Callable[[Callable[[Callable[[Any], None]], Any]], Any]


def at_once(call: Callable[[Callable[[Any], None]], Any]) -> Any:
    """Ask who answers at once."""
    answer = call(_never)
    assert answer is not None
    return answer


def _never(answer: object) -> None:
    raise AssertionError(f"the answer comes later: {answer}")


def peer_id(number: int) -> bytes:
    return b"-RW0100-%012d" % number


def ip(number: int) -> bytes:
    return bytes([10, 0, number // 256, number % 256])


def ip6(number: int) -> bytes:
    return ip_to_bytes("2001:db8::")[:14] + number.to_bytes(2, "big")


def numbers(packed: bytes, width: int = 6) -> list[int]:
    """Return the numbers of the peers of a reply; each comes once."""
    found = [
        int.from_bytes(packed[start + width - 4 : start + width - 2], "big")
        for start in range(0, len(packed), width)
    ]
    assert len(found) == len(set(found))
    return found


class Desk:
    """A registry and the peers that announce to it, by their numbers.

    `make(**options)` returns a new registry with the options of MemoryRegistry.
    """

    def __init__(self, make: Callable[..., Registry], ask: Ask = at_once) -> None:
        self._make = make
        self._ask = ask
        self.registry: Registry = make()

    def open(self, **options: Any) -> Registry:
        """Begin anew."""
        self.registry = self._make(**options)
        return self.registry

    def announce(
        self,
        number: int,
        left: int = 1,
        event: Event = Event.NONE,
        *,
        info_hash: bytes = HASH,
        at: bytes | None = None,
        port: int = 6881,
        numwant: int | None = None,
        now: float = 0.0,
        key: bytes = b"",
        **more: bool,
    ) -> AnnounceResult:
        """Announce and return the answer; raise it if it is an error."""

        def call(later: Later) -> AnnounceResult | None:
            return self.registry.announce(
                info_hash, peer_id(number), ip(number) if at is None else at, port, left, event,
                numwant, now, key, later=later, **more,
            )  # fmt: skip

        answer = self._ask(call)
        if isinstance(answer, RegistryError):
            raise answer
        assert isinstance(answer, AnnounceResult)
        return answer

    def told(self, number: int, left: int = 1, **more: Any) -> list[int]:
        """Announce and return the numbers of those with IPv4 that one is told of."""
        return numbers(self.announce(number, left, **more).peers4)

    def scrape(self, *info_hashes: bytes) -> list[ScrapeFile]:
        """Return what is known of torrents."""
        answer: Sequence[ScrapeFile] = self._ask(
            lambda later: self.registry.scrape(info_hashes, later)
        )
        return list(answer)

    def fill(self, leechers: int, seeds: int = 0) -> None:
        """Let leechers announce, who have the numbers from 0, and seeds, after them."""
        for number in range(leechers + seeds):
            self.announce(number, int(number < leechers), numwant=0)

    def expire(self, now: float) -> None:
        """Let the registry sweep as often as it needs to have gone through everything."""
        for _ in range(100):
            self.registry.expire(now)


def the_first_peer_gets_nobody(desk: Desk) -> None:
    assert desk.announce(0) == AnnounceResult(0, 1, 0)


def peers_are_told_of_one_another_but_not_of_themselves(desk: Desk) -> None:
    desk.fill(3, 2)
    result = desk.announce(0)
    assert result[:3] == (2, 3, 0)
    assert sorted(numbers(result.peers4)) == [1, 2, 3, 4]
    assert {peer.port for peer in unpack_peers(result.peers4, 4)} == {6881}
    assert (result.peers6, result.peers, result.unverified) == (b"", (), False)


def a_started_peer_is_told_of_others_too(desk: Desk) -> None:
    desk.fill(3)
    assert sorted(desk.told(3, event=Event.STARTED)) == [0, 1, 2]
    assert sorted(desk.told(3, event=Event.STARTED)) == [0, 1, 2]
    assert desk.registry.num_peers == 4


def seeds_are_not_told_of_seeds(desk: Desk) -> None:
    desk.fill(3, 4)
    assert sorted(desk.told(3, 0)) == [0, 1, 2]


def partial_seeds_upload_only(desk: Desk) -> None:
    desk.fill(2, 2)
    result = desk.announce(4, 5, Event.PAUSED, partial=True)
    # BEP 21: they are among the incomplete, but not among the downloaders.
    assert result[:3] == (2, 3, 0)
    assert [file.downloaders for file in desk.scrape(HASH)] in ([2], [None])
    # Who wants nothing has no use for who uploads.
    assert sorted(numbers(result.peers4)) == [0, 1]
    assert sorted(desk.told(2, 0)) == [0, 1]
    assert sorted(desk.told(0)) == [1, 2, 3, 4]
    # He resumes.
    assert sorted(desk.told(4, 5)) == [0, 1, 2, 3]
    assert sorted(desk.told(2, 0)) == [0, 1, 4]
    # He has all.
    assert desk.announce(4, 0, Event.COMPLETED)[:3] == (3, 2, 1)
    assert sorted(desk.told(2, 0)) == [0, 1]


def swarms_do_not_mix(desk: Desk) -> None:
    desk.fill(3)
    assert desk.told(9, info_hash=OTHER_HASH) == []
    assert len(desk.registry) == 2
    assert desk.registry.num_peers == 4
    assert HASH in desk.registry
    assert OTHER_HASH in desk.registry
    assert b"y" * 20 not in desk.registry


def as_many_are_told_as_are_wanted_within_the_limit(desk: Desk) -> None:
    desk.fill(250, 250)
    for left, asker in ((0, 499), (1, 0)):
        for wanted, told in (
            (0, 0), (1, 1), (7, 7), (None, DEFAULT_NUMWANT), (10**9, MAX_NUMWANT)
        ):  # fmt: skip
            assert len(desk.told(asker, left, numwant=wanted)) == told


def who_wants_as_many_as_there_are_gets_all(desk: Desk) -> None:
    desk.fill(21, 10)
    for wanted in (30, 31, 32):
        assert sorted(desk.told(0, numwant=wanted)) == list(range(1, 31))
        assert sorted(desk.told(30, 0, numwant=wanted)) == list(range(21))


def one_seed_is_told_of_always(desk: Desk) -> None:
    desk.fill(191, 10)
    counts = [sum(n > 190 for n in desk.told(0, numwant=20)) for _ in range(100)]
    assert min(counts) >= 1
    # By their numbers it were 1.
    assert sum(counts) / len(counts) < 2


def every_peer_is_told_of_as_often_as_any_other(desk: Desk) -> None:
    desk.fill(41, 20)
    drawn: Counter[int] = Counter()
    for _ in range(1000):
        drawn.update(desk.told(0, numwant=12))
    assert set(drawn) == set(range(1, 61))
    fair = 1000 * 12 / 60
    assert all(0.7 * fair < count < 1.3 * fair for count in drawn.values())


def one_who_asks_again_is_told_of_others(desk: Desk) -> None:
    desk.fill(200)
    assert len({tuple(desk.told(0, numwant=10)) for _ in range(50)}) > 20


def a_peer_that_stops_is_gone_and_a_swarm_without_peers_too(desk: Desk) -> None:
    desk.fill(2)
    assert desk.announce(0, event=Event.STOPPED) == AnnounceResult(0, 1, 0)
    assert desk.told(1) == []
    assert desk.announce(1, event=Event.STOPPED) == AnnounceResult(0, 0, 0)
    assert (len(desk.registry), desk.registry.num_peers, HASH in desk.registry) == (0, 0, False)
    assert desk.announce(1, event=Event.STOPPED) == AnnounceResult(0, 0, 0)
    assert len(desk.registry) == 0


def a_download_is_counted_once_for_each_peer(desk: Desk) -> None:
    desk.fill(2)
    assert desk.announce(0, 1, Event.COMPLETED).downloaded == 0
    assert desk.announce(0, 0, Event.COMPLETED).downloaded == 1
    assert desk.announce(0, 0, Event.COMPLETED)[:3] == (1, 1, 1)
    assert desk.announce(0, 0).downloaded == 1
    assert desk.announce(1, 0, Event.COMPLETED).downloaded == 2


def a_seed_may_become_a_leecher_again(desk: Desk) -> None:
    desk.fill(1, 1)
    assert (desk.registry.num_peers, desk.registry.num_seeds) == (2, 1)
    assert desk.announce(1, 5)[:3] == (0, 2, 0)
    assert desk.told(0) == [1]


def one_who_is_left_alone_is_told_of_nobody(desk: Desk) -> None:
    for wanted in (None, 0, 1):
        desk.announce(0, 0)
        assert desk.announce(0, 1, numwant=wanted) == AnnounceResult(0, 1, 0)
        assert desk.announce(0, 1, numwant=wanted) == AnnounceResult(0, 1, 0)


def a_peer_that_moves_is_known_by_its_key(desk: Desk) -> None:
    desk.fill(1)
    desk.announce(1, key=b"secret")
    moved = bytes([192, 0, 2, 1])
    for key in (b"guess", b""):
        with pytest.raises(RegistryError, match="key does not match"):
            desk.announce(1, at=moved, key=key)
        with pytest.raises(RegistryError, match="key does not match"):
            desk.announce(1, event=Event.STOPPED, at=moved, key=key)
    desk.announce(1, at=moved, port=7, key=b"secret")
    assert desk.announce(0).peers4 == moved + b"\0\x07"
    assert desk.registry.num_peers == 2


def without_a_key_nobody_at_another_address_can_take_a_peer_over(desk: Desk) -> None:
    desk.fill(2)
    for key in (b"", b"new"):
        with pytest.raises(RegistryError):
            desk.announce(1, at=bytes([192, 0, 2, 1]), key=key)
    desk.announce(1, port=9, key=b"new")
    desk.announce(1, port=9)  # it stays
    desk.announce(1, at=bytes([192, 0, 2, 1]), key=b"new")
    assert desk.registry.num_peers == 2


def a_peer_with_both_families_is_two_and_is_told_of_neither(desk: Desk) -> None:
    desk.fill(2)
    result = desk.announce(0, at=ip6(0))
    assert result[:3] == (0, 3, 0)
    assert (numbers(result.peers4), result.peers6) == ([1], b"")
    result = desk.announce(0)
    assert (numbers(result.peers4), result.peers6) == ([1], b"")
    result = desk.announce(1)
    assert (numbers(result.peers4), numbers(result.peers6, 18)) == ([0], [0])
    assert ip_to_text(result.peers6[:16]) == "2001:db8::"


def udp_asks_for_its_own_family_alone(desk: Desk) -> None:
    desk.fill(8)
    for number in range(8):
        desk.announce(number + 10, at=ip6(number + 10), numwant=0)
    result = desk.announce(10, at=ip6(10), numwant=5, only_own_family=True)
    assert (len(numbers(result.peers6, 18)), result.peers4) == (5, b"")
    result = desk.announce(0, numwant=50, only_own_family=True)
    assert (len(numbers(result.peers4)), result.peers6) == (7, b"")
    result = desk.announce(0, numwant=10)
    assert len(numbers(result.peers4)) + len(numbers(result.peers6, 18)) == 10


def a_peer_that_listens_nowhere_counts_but_is_not_told_of(desk: Desk) -> None:
    desk.fill(1)
    assert desk.told(1, port=0) == [0]
    result = desk.announce(0)
    assert (result.incomplete, result.peers4) == (2, b"")
    desk.announce(1)
    assert desk.told(0) == [1]
    desk.announce(1, port=0)
    assert desk.told(0) == []


def who_asks_for_peer_ids_gets_them_for_the_same_peers(desk: Desk) -> None:
    desk.fill(30, 9)
    desk.announce(50, at=ip6(50), numwant=0)
    for wanted in (10, 200):
        for left in (0, 1):
            result = desk.announce(0, left, numwant=wanted, with_ids=True)
            both = unpack_peers(result.peers4, 4) + unpack_peers(result.peers6, 16)
            assert [peer[:2] for peer in result.peers] == [peer[:2] for peer in both]
            for peer in result.peers:
                number = int.from_bytes(ip_to_bytes(peer.ip)[-2:], "big")
                assert peer.peer_id == peer_id(number)
                assert number != 0
    assert len(desk.announce(0, with_ids=True).peers) == 39


def the_silent_are_forgotten_but_never_early(desk: Desk) -> None:
    desk.open(peer_lifetime_seconds=100)
    for number in range(10):
        desk.announce(number, now=10.0 * number, numwant=0)
    desk.announce(0, now=95.0, numwant=0)
    desk.expire(99.0)
    assert desk.registry.num_peers == 10
    desk.expire(145.0)
    assert sorted(desk.told(0, now=145.0)) == [5, 6, 7, 8, 9]
    desk.expire(1000.0)
    assert (len(desk.registry), desk.registry.num_peers) == (0, 0)


def a_scrape_tells_of_those_that_are_known(desk: Desk) -> None:
    desk.fill(3, 2)
    desk.announce(0, 0, Event.COMPLETED)
    desk.announce(9, info_hash=OTHER_HASH)
    assert [file[:4] for file in desk.scrape(b"y" * 20, OTHER_HASH)] == [(OTHER_HASH, 0, 0, 1)]
    assert [file[:4] for file in desk.scrape(HASH, OTHER_HASH)] == [
        (HASH, 3, 1, 2), (OTHER_HASH, 0, 0, 1)
    ]  # fmt: skip
    assert desk.scrape() == []


def torrents_are_listed_the_oldest_first(desk: Desk) -> None:
    for number in range(5):
        desk.announce(number, info_hash=bytes([9 - number]) * 20)
    hashes = [file.info_hash for file in desk.registry.torrents()]
    assert hashes == [bytes([9 - number]) * 20 for number in range(5)]
    assert [file.info_hash for file in desk.registry.torrents(2)] == hashes[:2]


def torrents_may_come_and_go_while_they_are_listed(desk: Desk) -> None:
    for number in range(6):
        desk.announce(number, info_hash=bytes([number]) * 20)
    listed = desk.registry.torrents()
    seen = [next(listed).info_hash[0], next(listed).info_hash[0]]
    for number in (0, 1, 2, 4):
        desk.announce(number, info_hash=bytes([number]) * 20, event=Event.STOPPED)
    desk.announce(6, info_hash=bytes([6]) * 20)
    seen += [file.info_hash[0] for file in listed]
    assert [number for number in seen if number not in (2, 4, 6)] == [0, 1, 3, 5]
    assert len(seen) == len(set(seen))


def dead_torrents_are_kept_on_request(desk: Desk) -> None:
    desk.open(keep_dead=True, peer_lifetime_seconds=100)
    desk.announce(0)
    desk.announce(0, 0, Event.COMPLETED)
    desk.announce(1, info_hash=OTHER_HASH)
    assert desk.announce(0, 0, Event.STOPPED) == AnnounceResult(0, 0, 1)
    assert desk.announce(0, 0, Event.STOPPED) == AnnounceResult(0, 0, 1)
    desk.expire(150.0)
    assert (len(desk.registry), desk.registry.num_peers) == (2, 0)
    assert [file[:4] for file in desk.scrape(HASH, OTHER_HASH)] == [
        (HASH, 0, 1, 0), (OTHER_HASH, 0, 0, 0)
    ]  # fmt: skip
    assert desk.announce(3, 0, now=150.0) == AnnounceResult(1, 0, 1)


def the_unverified_count_but_are_not_told_of(desk: Desk) -> None:
    registry = desk.open(hide_unverified=True)
    assert desk.announce(0).unverified
    result = desk.announce(1, 0)
    assert (result[:3], result.peers4, result.unverified) == ((1, 1, 0), b"", True)
    assert not registry.verified(HASH, peer_id(1), ip(1), 99)
    assert not registry.verified(HASH, peer_id(2), ip(2), 6881)
    assert not registry.verified(OTHER_HASH, peer_id(1), ip(1), 6881)
    assert not registry.verified(HASH, peer_id(1), ip6(1), 6881)
    assert desk.told(0) == []
    assert registry.verified(HASH, peer_id(1), ip(1), 6881)
    assert desk.told(0) == [1]
    assert not desk.announce(1, 0).unverified
    # What became of it, it is still verified.
    assert not desk.announce(1, 1).unverified
    assert desk.told(0) == [1]
    # Somewhere else it is not.
    assert desk.announce(1, 0, port=99).unverified
    assert desk.told(0) == []
    assert registry.verified(HASH, peer_id(1), ip(1), 99)
    assert desk.announce(0).peers4 == ip(1) + b"\0\x63"
    assert not desk.announce(2, port=0).unverified


def the_unreachable_stay_hidden_but_are_not_tried_again(desk: Desk) -> None:
    registry = desk.open(hide_unverified=True)
    desk.announce(0)
    desk.announce(1)
    assert registry.unreachable(HASH, peer_id(1), ip(1), 6881)
    assert not registry.unreachable(HASH, peer_id(1), ip(1), 99)
    result = desk.announce(1)
    assert (result.incomplete, result.unverified) == (2, False)
    assert desk.told(0) == []
    assert desk.announce(1, port=99).unverified
    assert registry.verified(HASH, peer_id(1), ip(1), 99)
    assert desk.told(0) == [1]


PROMISES: list[Callable[[Desk], None]] = [
    value
    for name, value in list(globals().items())
    if callable(value)
    and getattr(value, "__module__", "") == __name__
    and list(getattr(value, "__annotations__", {})) == ["desk", "return"]
]
