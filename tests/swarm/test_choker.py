from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.choker import (
    NEW_PEER_SECONDS,
    OPTIMISTIC_SECONDS,
    ROUND_SECONDS,
    Choker,
    Decision,
)


@dataclass(eq=False)
class FakePeer:
    name: str
    interested: bool = True
    choked_by_us: bool = True
    download_rate: float = 0.0
    upload_rate: float = 0.0
    snubbed: bool = False
    connected_at: float = 0.0
    unchoked_at: float = 0.0


class Swarm:
    """Peers to which a choker's decisions are applied, with a clock of its own."""

    def __init__(self, count: int, slots: int, seed: int = 1) -> None:
        self.peers = [FakePeer(f"p{number}") for number in range(count)]
        self.choker = Choker(Random(seed), slots)
        self.now = 1000.0

    def apply(self, decision: Decision[FakePeer]) -> None:
        for peer in decision.choke:
            assert not peer.choked_by_us
            peer.choked_by_us = True
        for peer in decision.unchoke:
            assert peer.choked_by_us
            assert peer.interested
            peer.choked_by_us = False
            peer.unchoked_at = self.now

    def round(self, seeding: bool = False) -> None:
        self.now += ROUND_SECONDS
        self.apply(self.choker.round(self.peers, self.now, seeding))

    def turn(self, peer: FakePeer, interested: bool) -> None:
        peer.interested = interested
        self.apply(self.choker.interest_changed(self.peers, peer))

    @property
    def unchoked(self) -> list[FakePeer]:
        return [peer for peer in self.peers if not peer.choked_by_us]


def test_a_choker_without_slots_is_our_bug() -> None:
    with pytest.raises(ValueError, match="needs a slot"):
        Choker(Random(1), 0)


@pytest.mark.parametrize("seeding", [True, False])
def test_while_there_are_slots_for_all_nobody_is_choked(seeding: bool) -> None:
    swarm = Swarm(4, slots=4)
    swarm.round(seeding)
    for _ in range(20):
        before = [peer.unchoked_at for peer in swarm.peers]
        swarm.round(seeding)
        assert [peer.unchoked_at for peer in swarm.peers] == before
        assert len(swarm.unchoked) == 4


def test_the_best_givers_keep_their_slots() -> None:
    swarm = Swarm(20, slots=4)
    for rate, peer in enumerate(swarm.peers[:6], start=1):
        peer.download_rate = rate * 1000.0
    best = swarm.peers[3:6]
    for _ in range(30):
        swarm.round()
        assert all(not peer.choked_by_us for peer in best)
        assert len(swarm.unchoked) == 4


def test_the_last_slot_goes_round_every_thirty_seconds() -> None:
    swarm = Swarm(12, slots=4)
    for peer in swarm.peers[:3]:
        peer.download_rate = 1000.0
    optimistic = []
    for _ in range(300):
        swarm.round()
        [peer] = [peer for peer in swarm.unchoked if not peer.download_rate]
        optimistic.append(peer.name)
    runs = [optimistic[start : start + 3] for start in range(0, 300, 3)]
    assert all(len(set(run)) == 1 for run in runs)
    assert all(one[0] != two[0] for one, two in pairwise(runs))
    assert set(optimistic) == {peer.name for peer in swarm.peers[3:]}


def test_whoever_held_an_unearned_slot_longest_makes_room_first() -> None:
    swarm = Swarm(4, slots=3)
    for number, peer in enumerate(swarm.peers[:3]):
        peer.choked_by_us = False
        peer.unchoked_at = 100.0 * ((number + 1) % 3)
    swarm.round()
    assert [peer.name for peer in swarm.peers if peer.choked_by_us] == ["p2"]


def test_new_peers_are_three_times_as_likely_to_be_tried() -> None:
    tried: Counter[bool] = Counter()
    for seed in range(2000):
        swarm = Swarm(8, slots=1, seed=seed)
        for peer in swarm.peers[:4]:
            peer.connected_at = swarm.now + ROUND_SECONDS - NEW_PEER_SECONDS + 1
        swarm.round()
        tried[swarm.unchoked[0] in swarm.peers[:4]] += 1
    assert 0.7 < tried[True] / 2000 < 0.8


def test_a_snubbed_peer_earns_no_slot() -> None:
    swarm = Swarm(9, slots=3)
    for peer in swarm.peers[:3]:
        peer.download_rate = 1000.0
    swarm.round()
    swarm.round()
    swarm.round()
    swarm.peers[0].snubbed = True
    swarm.peers[0].unchoked_at = 0.0
    swarm.round()
    assert swarm.peers[0].choked_by_us
    assert not swarm.peers[1].choked_by_us
    assert not swarm.peers[2].choked_by_us


def test_a_newly_interested_peer_gets_a_free_slot_at_once() -> None:
    swarm = Swarm(3, slots=2)
    for peer in swarm.peers:
        peer.interested = False
    swarm.turn(swarm.peers[1], True)
    assert swarm.unchoked == [swarm.peers[1]]
    swarm.turn(swarm.peers[0], True)
    swarm.turn(swarm.peers[2], True)
    assert swarm.unchoked == swarm.peers[:2]


def test_a_peer_that_lost_interest_passes_its_slot_on_at_once() -> None:
    swarm = Swarm(3, slots=1)
    swarm.turn(swarm.peers[0], True)
    first = swarm.unchoked[0]
    swarm.turn(first, False)
    assert first.choked_by_us
    assert len(swarm.unchoked) == 1


def test_a_peer_that_left_passes_its_slot_on() -> None:
    swarm = Swarm(2, slots=1)
    swarm.round()
    [gone] = swarm.unchoked
    swarm.peers.remove(gone)
    swarm.apply(swarm.choker.interest_changed(swarm.peers, gone))
    assert swarm.unchoked == swarm.peers
    assert not gone.choked_by_us


@pytest.mark.parametrize("seeding", [True, False])
def test_those_without_interest_lose_their_slots_in_a_round(seeding: bool) -> None:
    swarm = Swarm(5, slots=2)
    swarm.round(seeding)
    holders = swarm.unchoked
    for peer in holders:
        peer.interested = False
    swarm.round(seeding)
    assert len(swarm.unchoked) == 2
    assert not set(swarm.unchoked) & set(holders)


@pytest.mark.parametrize(("count", "slots"), [(5, 1), (9, 8), (30, 8), (40, 3)])
def test_a_seed_serves_everybody_in_turn(count: int, slots: int) -> None:
    swarm = Swarm(count, slots)
    for number, peer in enumerate(swarm.peers):
        peer.upload_rate = number * 1e6  # being fast is no merit here
    # A third of the slots passes on in three rounds.
    cycle_rounds = 3 * -(-count // ((slots + 2) // 3)) + 3
    served: Counter[str] = Counter()
    for _ in range(cycle_rounds * 10):
        swarm.round(seeding=True)
        assert len(swarm.unchoked) == slots
        served.update(peer.name for peer in swarm.unchoked)
    assert len(served) == count
    assert max(served.values()) < 2 * min(served.values())


def test_a_seed_keeps_each_for_thirty_seconds_and_changes_few_at_a_time() -> None:
    swarm = Swarm(40, slots=8)
    swarm.round(seeding=True)
    for _ in range(60):
        before = {peer: peer.unchoked_at for peer in swarm.unchoked}
        swarm.round(seeding=True)
        ended = [peer for peer in before if peer.choked_by_us]
        assert len(ended) <= 1
        assert all(swarm.now - before[peer] >= OPTIMISTIC_SECONDS for peer in ended)


def test_the_same_chance_gives_the_same_decisions() -> None:
    def history() -> list[list[str]]:
        swarm = Swarm(30, slots=5, seed=9)
        names = []
        for number in range(40):
            swarm.round(seeding=number % 7 == 0)
            names.append([peer.name for peer in swarm.unchoked])
        return names

    assert history() == history()


@given(
    st.integers(0, 12),
    st.integers(1, 9),
    st.integers(0, 1000),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 11)), max_size=40),
)
def test_slots_are_used_and_never_exceeded(
    count: int, slots: int, seed: int, events: list[tuple[int, int]]
) -> None:
    swarm = Swarm(count, slots, seed)
    swarm.round()
    for event, number in events:
        if event < 2:
            swarm.round(seeding=event == 1)
        elif number < count:
            peer = swarm.peers[number]
            if event == 2:
                swarm.turn(peer, not peer.interested)
            elif event == 3:
                peer.download_rate = float(number % 4)
            else:
                peer.snubbed = not peer.snubbed
        interested = sum(peer.interested for peer in swarm.peers)
        assert len(swarm.unchoked) == min(slots, interested)
        assert all(peer.interested for peer in swarm.unchoked)


def test_a_slot_is_free_until_interested_peers_hold_all() -> None:
    swarm = Swarm(4, slots=2)
    for peer in swarm.peers[1:]:
        peer.interested = False
    assert swarm.choker.has_free_slot(swarm.peers)
    swarm.turn(swarm.peers[0], True)
    assert swarm.choker.has_free_slot(swarm.peers)
    swarm.turn(swarm.peers[1], True)
    assert not swarm.choker.has_free_slot(swarm.peers)
    swarm.turn(swarm.peers[0], False)
    assert swarm.choker.has_free_slot(swarm.peers)
