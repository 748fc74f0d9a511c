from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawserver.swarm.registry import (
    DEFAULT_NUMWANT,
    MAX_NUMWANT,
    AnnounceResult,
    Registry,
    RegistryError,
)
from rawserver.wire.announce_request import Event
from rawserver.wire.compact_peers import pack_peers
from rawserver.wire.scrape import ScrapeFile

HASH = b"h" * 20


def peer_id(number: int) -> bytes:
    return b"-RW0100-%012d" % number


def ip(number: int) -> str:
    return f"10.0.{number // 256}.{number % 256}"


def announce(
    registry: Registry,
    number: int,
    left: int = 1,
    event: Event = Event.NONE,
    *,
    info_hash: bytes = HASH,
    at: str = "",
    port: int = 6881,
    numwant: int | None = None,
    now: float = 0.0,
    key: bytes = b"",
) -> AnnounceResult:
    address = at or ip(number)
    return registry.announce(
        info_hash, peer_id(number), address, port, left, event, numwant, now, key=key
    )


def filled(leechers: int, seeds: int = 0, **limits: int) -> Registry:
    """A registry with one swarm: leechers have the numbers from 0, seeds those after them."""
    registry = Registry(Random(1), **limits)
    for number in range(leechers + seeds):
        announce(registry, number, left=int(number < leechers), numwant=0)
    return registry


def numbers(result: AnnounceResult) -> set[int]:
    found = [int(peer.peer_id[8:]) for peer in result.peers if peer.peer_id is not None]
    assert len(found) == len(result.peers) == len(set(found))
    return set(found)


def test_the_first_peer_gets_nobody() -> None:
    assert announce(Registry(Random(1)), 0) == AnnounceResult(0, 1, 0)


def test_peers_are_told_of_one_another_but_not_of_themselves() -> None:
    registry = filled(3, 2)
    result = announce(registry, 0)
    assert (result.complete, result.incomplete, result.downloaded) == (2, 3, 0)
    assert numbers(result) == {1, 2, 3, 4}
    assert {(peer.ip, peer.port) for peer in result.peers} == {(ip(n), 6881) for n in range(1, 5)}


def test_seeds_are_not_told_of_seeds() -> None:
    assert numbers(announce(filled(3, 4), 3, left=0)) == {0, 1, 2}


def test_swarms_do_not_mix() -> None:
    registry = filled(3)
    assert announce(registry, 9, info_hash=b"x" * 20).peers == ()
    assert len(registry) == 2
    assert registry.num_peers == 4


@pytest.mark.parametrize(("numwant", "given"), [
    (0, 0), (1, 1), (7, 7), (None, DEFAULT_NUMWANT), (10**9, MAX_NUMWANT)
])  # fmt: skip
@pytest.mark.parametrize("left", [0, 1])
def test_as_many_as_wanted_within_the_limit(numwant: int | None, given: int, left: int) -> None:
    registry = filled(250, 250)
    asker = 0 if left else 499
    assert len(numbers(announce(registry, asker, left, numwant=numwant))) == given


def test_who_wants_as_many_as_there_are_gets_all() -> None:
    registry = filled(21, 10)
    assert len(numbers(announce(registry, 0, numwant=30))) == 30
    assert len(numbers(announce(registry, 0, numwant=31))) == 30


def test_seeds_and_leechers_come_by_their_share_and_one_seed_always() -> None:
    registry = filled(191, 10)
    counts = [sum(n > 190 for n in numbers(announce(registry, 0, numwant=20))) for _ in range(300)]
    assert min(counts) >= 1
    assert 0.9 < sum(counts) / len(counts) < 1.6


@pytest.mark.parametrize("leechers", [12, 41])
def test_every_peer_is_given_as_often_as_any_other(leechers: int) -> None:
    registry = filled(leechers)
    drawn: Counter[int] = Counter()
    for _ in range(1000):
        drawn.update(numbers(announce(registry, 0, numwant=10)))
    assert set(drawn) == set(range(1, leechers))
    fair = 1000 * 10 / (leechers - 1)
    assert all(0.7 * fair < count < 1.3 * fair for count in drawn.values())


def test_the_same_seed_gives_the_same_peers() -> None:
    first, second = (announce(filled(100, 9), 0, numwant=5) for _ in range(2))
    assert first == second


def test_the_packed_peers_are_the_peers() -> None:
    registry = filled(3)
    announce(registry, 3, at="2001:db8::3")
    result = announce(registry, 0)
    assert result.packed == pack_peers(result.peers)
    assert [len(part) for part in result.packed] == [12, 18]


def test_a_peer_that_stops_is_gone_and_a_swarm_without_peers_too() -> None:
    registry = filled(2)
    result = announce(registry, 0, event=Event.STOPPED)
    assert result == AnnounceResult(0, 1, 0)
    assert announce(registry, 1).peers == ()
    announce(registry, 1, event=Event.STOPPED)
    assert (len(registry), registry.num_peers, HASH in registry) == (0, 0, False)
    assert announce(registry, 1, event=Event.STOPPED) == AnnounceResult(0, 0, 0)


def test_a_download_is_counted_once_for_each_peer() -> None:
    registry = filled(2)
    assert announce(registry, 0, 1, Event.COMPLETED).downloaded == 0
    assert announce(registry, 0, 0, Event.COMPLETED).downloaded == 1
    result = announce(registry, 0, 0, Event.COMPLETED)
    assert (result.complete, result.incomplete, result.downloaded) == (1, 1, 1)
    assert announce(registry, 1, 0, Event.COMPLETED).downloaded == 2


def test_a_seed_may_become_a_leecher_again() -> None:
    registry = filled(1, 1)
    result = announce(registry, 1, left=5)
    assert (result.complete, result.incomplete) == (0, 2)


def test_a_peer_that_moves_is_known_by_its_key() -> None:
    registry = filled(1)
    announce(registry, 1, key=b"secret")
    with pytest.raises(RegistryError, match="key does not match"):
        announce(registry, 1, at="192.0.2.1", key=b"guess")
    with pytest.raises(RegistryError, match="key does not match"):
        announce(registry, 1, event=Event.STOPPED, at="192.0.2.1")
    announce(registry, 1, at="192.0.2.1", port=7, key=b"secret")
    assert [peer[:2] for peer in announce(registry, 0).peers] == [("192.0.2.1", 7)]


def test_without_a_key_nobody_at_another_address_can_take_an_entry_over() -> None:
    registry = filled(2)
    with pytest.raises(RegistryError):
        announce(registry, 1, at="192.0.2.1")
    announce(registry, 1, port=9, key=b"new")
    announce(registry, 1, at="192.0.2.1", key=b"new")
    assert registry.num_peers == 2


def test_a_peer_with_both_families_is_two_entries_and_gets_neither_of_them() -> None:
    registry = filled(2)
    result = announce(registry, 0, at="2001:db8::1")
    assert result.incomplete == 3
    assert numbers(result) == {1}
    assert numbers(announce(registry, 0)) == {1}
    found = announce(registry, 1).peers
    assert {peer.ip for peer in found} == {ip(0), "2001:db8::1"}


def test_ipv4_in_ipv6_is_ipv4() -> None:
    registry = filled(1)
    announce(registry, 1, at="::ffff:192.0.2.1")
    announce(registry, 1, at="192.0.2.1")
    assert [peer.ip for peer in announce(registry, 0).peers] == ["192.0.2.1"]


def test_a_peer_that_listens_nowhere_counts_but_is_not_given() -> None:
    registry = filled(1)
    announce(registry, 1, port=0)
    result = announce(registry, 0)
    assert (result.incomplete, result.peers) == (2, ())


def test_the_silent_are_forgotten() -> None:
    registry = Registry(Random(1), peer_lifetime_seconds=100)
    for number in range(10):
        announce(registry, number, now=float(number))
    announce(registry, 0, now=50.0)
    assert registry.expire(101.0) == 0
    assert registry.expire(104.0) == 3
    assert numbers(announce(registry, 0, now=104.0)) == {4, 5, 6, 7, 8, 9}
    assert registry.expire(1000.0) == 7
    assert (len(registry), registry.num_peers) == (0, 0)


def test_there_is_room_for_so_many_peers_and_torrents() -> None:
    registry = filled(3, max_peers=3)
    with pytest.raises(RegistryError, match="another peer"):
        announce(registry, 3, info_hash=b"x" * 20)
    assert len(registry) == 1
    announce(registry, 0)
    announce(registry, 1, event=Event.STOPPED)
    announce(registry, 3)
    registry = filled(1, max_torrents=1)
    with pytest.raises(RegistryError, match="another torrent"):
        announce(registry, 1, info_hash=b"x" * 20)
    assert registry.num_peers == 1


def test_what_is_no_address_is_refused_and_leaves_nothing_behind() -> None:
    registry = Registry(Random(1))
    for wrong in ("host.example", "1.2.3", "::g"):
        with pytest.raises(ValueError, match="IP address"):
            announce(registry, 1, at=wrong)
    assert (len(registry), registry.num_peers) == (0, 0)


def test_scrape_tells_of_those_that_are_known() -> None:
    registry = filled(3, 2)
    announce(registry, 0, 0, Event.COMPLETED)
    announce(registry, 9, info_hash=b"x" * 20)
    first, second = ScrapeFile(HASH, 3, 1, 2), ScrapeFile(b"x" * 20, 0, 0, 1)
    assert registry.scrape([b"y" * 20, b"x" * 20]) == [second]
    assert list(registry.torrents()) == [first, second]
    assert list(registry.torrents(limit=1)) == [first]


steps = st.tuples(
    st.integers(0, 5), st.integers(0, 1), st.sampled_from(Event), st.sampled_from([b"a", b"b"]),
    st.integers(0, 8), st.integers(0, 40),
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(steps, max_size=60))
def test_whatever_happens_the_counts_are_those_of_a_plain_list(
    history: list[tuple[int, int, Event, bytes, int, int]],
) -> None:
    registry = Registry(Random(3), peer_lifetime_seconds=100)
    model: dict[tuple[bytes, int], tuple[bool, float]] = {}
    now = 0.0
    for number, left, event, letter, numwant, pause in history:
        now += pause
        registry.expire(now)
        model = {name: value for name, value in model.items() if value[1] >= now - 100}
        result = announce(
            registry, number, left, event, info_hash=letter * 20, numwant=numwant, now=now
        )
        model.pop((letter, number), None)
        if event is not Event.STOPPED:
            model[letter, number] = (left == 0, now)
        swarm = {name[1]: seed for name, (seed, _) in model.items() if name[0] == letter}
        assert result.complete == sum(swarm.values())
        assert result.incomplete == len(swarm) - result.complete
        useful = {other for other, seed in swarm.items() if other != number and (left or not seed)}
        expected = 0 if event is Event.STOPPED else min(numwant, len(useful))
        assert numbers(result) <= useful
        assert len(result.peers) == expected
        assert registry.num_peers == len(model)
