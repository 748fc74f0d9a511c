from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kit.peer_tables import assert_store_sound
from kit.registry_promises import (
    HASH,
    OTHER_HASH,
    PROMISES,
    Desk,
    ip,
    ip6,
    numbers,
    peer_id,
)
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.peer_choice import MOST_CANDIDATES
from rawserver.swarm.registry import AnnounceResult, RegistryError
from rawserver.wire.announce_request import Event


def make(**options: Any) -> MemoryRegistry:
    return MemoryRegistry(Random(1), **options)


@pytest.fixture
def desk() -> Desk:
    return Desk(make)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_it_keeps_what_registries_promise(promise: Callable[[Desk], None], desk: Desk) -> None:
    promise(desk)
    assert isinstance(desk.registry, MemoryRegistry)
    assert_store_sound(desk.registry.store)


def test_there_is_room_for_so_many_peers_and_torrents(desk: Desk) -> None:
    desk.open(max_peers=3)
    desk.fill(3)
    with pytest.raises(RegistryError, match="another peer"):
        desk.announce(3, info_hash=OTHER_HASH)
    assert len(desk.registry) == 1
    desk.announce(0, 0)
    desk.announce(1, event=Event.STOPPED)
    desk.announce(3)
    desk.open(max_torrents=1)
    desk.fill(1)
    with pytest.raises(RegistryError, match="another torrent"):
        desk.announce(1, info_hash=OTHER_HASH)
    assert desk.registry.num_peers == 1


@pytest.mark.parametrize(("wrong", "value"), [
    ("info_hash", b"h" * 19), ("at", b"\x01\x02\x03"), ("at", b"\x01" * 17), ("at", b"")
])  # fmt: skip
@pytest.mark.parametrize("event", [Event.NONE, Event.STOPPED])
def test_what_front_ends_do_not_say_leaves_nothing_behind(
    wrong: str, value: bytes, event: Event, desk: Desk
) -> None:
    with pytest.raises(ValueError, match="20 bytes"):
        desk.announce(1, event=event, **{wrong: value})  # type: ignore[arg-type]
    assert (len(desk.registry), desk.registry.num_peers) == (0, 0)


def test_bytes_that_look_like_a_peer_across_two_entries_are_none(desk: Desk) -> None:
    desk.fill(2)
    registry = desk.registry
    # What follows the first entry's peer id: flags, age, slot 1, kind, no key, address, peer id.
    straddling = ip(1) + b"\x1a\xe1" + peer_id(1)[:14]
    result = registry.announce(HASH, straddling, b"\1\0\0\0", 0, 1, Event.NONE, 0, 0.0)
    assert result is not None
    assert (result.incomplete, registry.num_peers) == (3, 3)


@pytest.mark.parametrize("seeds", [0, 1, 60])
def test_each_peer_is_told_of_evenly_whatever_came_and_went(seeds: int, desk: Desk) -> None:
    """Each of 10 askers gets 20 of some 300 peers; nobody is told of less or more than others."""
    desk.fill(400, seeds)
    for number in range(0, 400, 3):
        desk.announce(number, event=Event.STOPPED)
    there = [number for number in range(400) if number % 3]
    drawn: Counter[int] = Counter()
    rounds = 3000
    askers = there[100:110]
    for turn in range(rounds):
        drawn.update(desk.told(askers[turn % 10], numwant=20))
    told = sum(drawn[number] for number in there)
    # So often by chance, and five standard deviations.
    fair = told / (len(there) - 1)
    others = [number for number in there if number not in askers]
    assert all(abs(drawn[number] - fair) < 5 * fair**0.5 for number in others)
    if seeds:
        assert sum(drawn.values()) == told + sum(drawn[n] for n in range(400, 400 + seeds))
        share = 20 * seeds / (len(there) + seeds - 1)
        fair = rounds * max(1, share) / seeds
        assert all(abs(drawn[400 + n] - fair) <= 5 * fair**0.5 for n in range(seeds))


def test_the_same_seed_gives_the_same_peers_whatever_the_hashes_of_python() -> None:
    results = []
    for _ in range(2):
        desk = Desk(make)
        desk.open(peer_lifetime_seconds=100)
        desk.fill(300, 40)
        for number in range(0, 300, 2):
            desk.announce(number, now=90.0)
        desk.registry.expire(150.0)
        results.append([desk.told(0, now=150.0, numwant=9) for _ in range(5)])
    assert results[0] == results[1]
    # Written down, so that another process is compared too.
    assert results[0][0] == [228, 4, 150, 6, 166, 8, 216, 10, 206]


def test_a_downloader_is_told_of_a_seed_of_the_other_family_if_his_has_none(desk: Desk) -> None:
    desk.fill(20)
    desk.announce(30, 0, at=ip6(30))
    for wanted in (1, 5):
        result = desk.announce(0, numwant=wanted)
        assert numbers(result.peers6, 18) == [30]
        assert len(numbers(result.peers4)) == wanted - 1
    assert desk.announce(0, numwant=0)[3:5] == (b"", b"")
    result = desk.announce(0, 0, numwant=5)
    assert (len(numbers(result.peers4)), result.peers6) == (5, b"")


def test_a_hook_chooses_from_those_of_the_askers_family() -> None:
    asked: list[tuple[bytes, int, int]] = []

    def highest(asker: bytes, candidates: bytes, wanted: int) -> bytes:
        asked.append((asker, len(candidates) // 6, wanted))
        each = [candidates[at : at + 6] for at in range(0, len(candidates), 6)]
        return b"".join(sorted(each, reverse=True)[:wanted])

    desk = Desk(lambda **options: make(choose=highest, **options))
    desk.fill(30, 10)
    assert desk.told(0, numwant=4) == [39, 38, 37, 36]
    assert asked == [(ip(0), 39, 4)]
    result = desk.announce(0, numwant=2, with_ids=True)
    assert [peer.peer_id for peer in result.peers] == [peer_id(39), peer_id(38)]
    assert desk.told(39, 0, numwant=2) == [29, 28]
    # Where there are no more than wanted, there is nothing to choose.
    before = len(asked)
    assert len(desk.told(0, numwant=39)) == 39
    assert desk.told(0, numwant=0) == []
    assert len(asked) == before
    for number in range(40, 2 * MOST_CANDIDATES):
        desk.announce(number, numwant=0)
    desk.told(0, numwant=4)
    assert asked[-1] == (ip(0), MOST_CANDIDATES, 4)


def test_a_hook_that_returns_too_many_is_cut_short() -> None:
    desk = Desk(lambda **options: make(choose=lambda ip, candidates, wanted: candidates, **options))
    desk.fill(30)
    assert len(desk.told(0, numwant=4)) == 4


def test_after_a_long_silence_all_are_gone(desk: Desk) -> None:
    desk.open(peer_lifetime_seconds=100)
    desk.fill(30)
    assert desk.announce(40, now=10_000.0) == AnnounceResult(0, 1, 0)
    desk.open(peer_lifetime_seconds=100, keep_dead=True)
    desk.fill(30)
    assert desk.registry.expire(10_000.0) == 30
    assert (len(desk.registry), desk.registry.num_peers) == (1, 0)


def test_a_clock_that_goes_back_a_little_does_no_harm(desk: Desk) -> None:
    desk.open(peer_lifetime_seconds=100)
    desk.announce(0, now=1000.0)
    desk.announce(1, now=990.0)
    desk.expire(1099.0)
    assert desk.registry.num_peers == 2


def test_no_call_sweeps_a_big_registry_at_once(desk: Desk) -> None:
    registry = desk.open(peer_lifetime_seconds=6400)
    count = 30_000
    for number in range(count):
        desk.announce(number, numwant=0, at=number.to_bytes(4, "big"))
    gone, now = [], 7000.0
    while registry.num_peers:
        now += 1.0
        gone.append(registry.expire(now))
    assert sum(gone) == count
    # 1,000 buckets, of some 12 each.
    assert max(gone) < 15_000
    assert len(gone) < 10


def test_no_place_is_kept_for_a_seed_that_is_the_asker_by_another_address() -> None:
    registry = make()
    registry.announce(HASH, peer_id(0), ip(0), 1, 1, Event.NONE, None, 0.0)
    registry.announce(HASH, peer_id(1), ip6(1), 1, 0, Event.NONE, None, 0.0)
    result = registry.announce(HASH, peer_id(1), ip(1), 1, 1, Event.NONE, 1, 0.0)
    assert (len(result.peers4), result.peers6) == (6, b"")


class Model(RuleBasedStateMachine):
    """The registry beside a dictionary that is simple."""

    HASHES = (HASH, OTHER_HASH)
    PEERS = st.integers(0, 11)

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.keep_dead = self.hide = False
        self.started = False

    @precondition(lambda self: not self.started)
    @rule(keep_dead=st.booleans(), hide=st.booleans())
    def start(self, keep_dead: bool, hide: bool) -> None:
        self.started = True
        self.hide, self.keep_dead = hide, keep_dead
        self.registry = make(
            peer_lifetime_seconds=64, keep_dead=keep_dead, hide_unverified=hide, max_peers=20
        )
        # (info-hash, number, length of ip) -> [address, kind, completed, key, verdict, time]
        self.peers: dict[tuple[bytes, int, int], list[Any]] = {}
        self.downloaded: dict[bytes, int] = {}

    @precondition(lambda self: self.started)
    @rule(
        info_hash=st.sampled_from(HASHES),
        number=PEERS,
        six=st.booleans(),
        moved=st.integers(0, 7).map(lambda n: n == 7),
        port=st.sampled_from([0, 1, 1, 2, 2]),
        kind=st.sampled_from([0, 0, 1, 2]),
        event=st.sampled_from(Event),
        numwant=st.sampled_from([None, 0, 1, 2, 3, 5, 8, 30]),
        key=st.sampled_from([b"", b"", b"k", b"l"]),
        with_ids=st.booleans(),
        only_own_family=st.booleans(),
    )
    def announce(
        self,
        info_hash: bytes,
        number: int,
        six: bool,
        moved: bool,
        port: int,
        kind: int,
        event: Event,
        numwant: int | None,
        key: bytes,
        with_ids: bool,
        only_own_family: bool,
    ) -> None:
        address = (ip6 if six else ip)(number + (100 if moved else 0))
        name = (info_hash, number, len(address))
        known = self.peers.get(name)
        full = known is None and len(self.peers) >= 20 and event is not Event.STOPPED
        taken = known is not None and known[0][:-2] != address and not (key and key == known[3])
        try:
            result = self.registry.announce(
                info_hash, peer_id(number), address, port, int(kind != 1), event, numwant, self.now,
                key, with_ids=with_ids, partial=kind == 2, only_own_family=only_own_family,
            )  # fmt: skip
        except RegistryError:
            assert full or taken
            return
        assert not full
        assert not taken
        if event is Event.STOPPED:
            self.peers.pop(name, None)
            # Whoever is the last to leave still hears how often the torrent was completed.
            told = self._counts(info_hash)
            self._forget_dead()
            assert result == AnnounceResult(*told)
            return
        packed = address + port.to_bytes(2, "big")
        if known is None:
            known = self.peers[name] = [packed, kind, False, b"", 0, 0.0]
            self.downloaded.setdefault(info_hash, 0)
        if packed != known[0]:
            known[4] = 0
        if event is Event.COMPLETED and kind == 1 and not known[2]:
            known[2] = True
            self.downloaded[info_hash] += 1
        known[:] = [packed, kind, known[2], key or known[3], known[4], self.now]
        self._compare(result, name, 50 if numwant is None else numwant, with_ids, only_own_family)

    def _compare(
        self,
        result: AnnounceResult,
        name: tuple[bytes, int, int],
        wanted: int,
        with_ids: bool,
        only_own_family: bool,
    ) -> None:
        info_hash, number, length = name
        me = self.peers[name]
        assert result[:3] == self._counts(info_hash)
        assert result.unverified == (self.hide and not me[4] and me[0][-2:] != b"\0\0")
        told = numbers(result.peers4), numbers(result.peers6, 18)
        useful: dict[int, dict[int, bytes]] = {4: {}, 16: {}}
        seeds = 0
        for (of, other, family), (packed, kind, *_, verdict, _) in self.peers.items():
            hidden = packed[-2:] == b"\0\0" or (self.hide and verdict != 1)
            if of == info_hash and other != number and not hidden and not (me[1] and kind):
                useful[family][other] = packed
                seeds += kind == 1 and (family == length or not only_own_family)
        if only_own_family:
            useful[20 - length] = {}
        expected = min(wanted, len(useful[4]) + len(useful[16]))
        assert len(told[0]) + len(told[1]) == expected
        given = [result.peers4[at : at + 6] for at in range(0, len(result.peers4), 6)]
        given += [result.peers6[at : at + 18] for at in range(0, len(result.peers6), 18)]
        assert set(given) <= {*useful[4].values(), *useful[16].values()}
        if not me[1] and seeds and wanted:
            kinds = {peer[0]: peer[1] for of, peer in self.peers.items() if of[0] == info_hash}
            assert any(kinds[packed] == 1 for packed in given)
        assert len(result.peers) == (len(given) if with_ids else 0)

    def _counts(self, info_hash: bytes) -> tuple[int, int, int]:
        kinds = [peer[1] for name, peer in self.peers.items() if name[0] == info_hash]
        complete = kinds.count(1)
        return complete, len(kinds) - complete, self.downloaded.get(info_hash, 0)

    def _forget_dead(self) -> None:
        if not self.keep_dead:
            alive = {name[0] for name in self.peers}
            self.downloaded = {h: n for h, n in self.downloaded.items() if h in alive}

    @precondition(lambda self: self.started)
    @rule(info_hash=st.sampled_from(HASHES), number=PEERS, six=st.booleans(), good=st.booleans(),
          port=st.sampled_from([0, 1, 2]))  # fmt: skip
    def judge(self, info_hash: bytes, number: int, six: bool, good: bool, port: int) -> None:
        address = (ip6 if six else ip)(number)
        peer = self.peers.get((info_hash, number, len(address)))
        tell = self.registry.verified if good else self.registry.unreachable
        there = peer is not None and peer[0] == address + port.to_bytes(2, "big")
        assert tell(info_hash, peer_id(number), address, port) == there
        if there:
            assert peer is not None
            peer[4] = 1 if good else 2

    @precondition(lambda self: self.started)
    @rule(seconds=st.sampled_from([1, 10, 40, 66, 1000]))
    def expire(self, seconds: int) -> None:
        self.now += seconds
        # A tick has a second here; whoever might be gone or not is gone on.
        old = {name for name, peer in self.peers.items() if peer[5] < self.now - 64}
        for _ in range(2):
            self.registry.expire(self.now)
        self.peers = {name: peer for name, peer in self.peers.items() if name not in old}
        self._forget_dead()

    @invariant()
    def everything_is_sound(self) -> None:
        if self.started:
            assert_store_sound(self.registry.store)
            assert self.registry.num_peers == len(self.peers)
            files = {file.info_hash: file for file in self.registry.torrents()}
            assert set(files) == set(self.downloaded)
            for info_hash, file in files.items():
                complete, incomplete, downloaded = self._counts(info_hash)
                partial = sum(
                    peer[1] == 2 for name, peer in self.peers.items() if name[0] == info_hash
                )
                expected = (info_hash, complete, downloaded, incomplete, incomplete - partial)
                assert file == expected


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_how_many_are_told_to_who_does_not_say_and_at_most_can_be_said() -> None:
    registry = MemoryRegistry(Random(1), numwant=3, max_numwant=5)
    for number in range(20):
        address = b"\x0a\x00\x00" + bytes([number])
        registry.announce(HASH, b"-XX0001-%012d" % number, address, 6881, 1, Event.NONE, 0, 0.0)

    def told(numwant: int | None) -> int:
        asker = b"-XX0001-askeraskeras"
        address = b"\x0a\x00\x00\xff"
        result = registry.announce(HASH, asker, address, 6881, 1, Event.NONE, numwant, 0.0)
        return len(result.peers4) // 6

    assert [told(numwant) for numwant in (None, 2, 5, 6, 1000)] == [3, 2, 5, 5, 5]
