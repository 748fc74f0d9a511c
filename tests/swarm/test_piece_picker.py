from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm import piece_picker
from rawserver.swarm.bitfield import Bitfield
from rawserver.swarm.piece_picker import RANDOM_FIRST_PIECES, PiecePicker


def bits_of(size: int, indices: Iterable[int]) -> Bitfield:
    bits = Bitfield(size)
    for index in indices:
        bits.set(index)
    return bits


def past_the_random_start(size: int, seed: int = 1) -> PiecePicker:
    """A picker that has its first pieces: the first ones of `size`."""
    picker = PiecePicker(size, Random(seed))
    for index in range(RANDOM_FIRST_PIECES):
        picker.done(index)
    return picker


def pick_all(picker: PiecePicker, bits: Bitfield) -> list[int]:
    picked = []
    while (index := picker.pick(bits)) is not None:
        picked.append(index)
    return picked


def test_every_piece_is_picked_once() -> None:
    picker = PiecePicker(100, Random(1))
    assert sorted(pick_all(picker, Bitfield.full(100))) == list(range(100))
    assert picker.wanted == 0
    assert picker.remaining == 100


def test_no_pieces_at_all() -> None:
    picker = PiecePicker(0, Random(1))
    picker.peer_has_all()
    assert picker.pick(Bitfield(0)) is None


def test_the_first_pieces_are_random_even_if_rare_ones_are_known() -> None:
    first = set()
    for seed in range(20):
        picker = PiecePicker(50, Random(seed))
        picker.add_bits(bits_of(50, range(1, 50)))
        first.add(picker.pick(Bitfield.full(50)))
    assert len(first) > 10


@pytest.mark.parametrize("whole", [True, False])
def test_then_the_rarest_comes_first(whole: bool) -> None:
    picker = past_the_random_start(12)
    for index, peers in {4: 4, 7: 1, 9: 3, 5: 2}.items():
        for _ in range(peers):
            picker.peer_has(index)
    picker.peer_has_all()
    peer = Bitfield.full(12) if whole else bits_of(12, [4, 5, 7, 9])
    order = [index for index in pick_all(picker, peer) if index in (4, 5, 7, 9)]
    assert order == [7, 5, 9, 4]


def test_ties_are_broken_at_random() -> None:
    peer = Bitfield.full(30)
    orders = {tuple(pick_all(past_the_random_start(30, seed), peer)) for seed in range(10)}
    assert len(orders) == 10


def test_the_same_chance_gives_the_same_order() -> None:
    def order() -> list[int]:
        picker = past_the_random_start(200, seed=3)
        picker.add_bits(bits_of(200, range(0, 200, 3)))
        return pick_all(picker, bits_of(200, range(0, 200, 2)))

    assert order() == order()


def test_a_peer_gets_only_what_it_has() -> None:
    picker = PiecePicker(20, Random(1))
    assert sorted(pick_all(picker, bits_of(20, [3, 11]))) == [3, 11]


def test_a_piece_that_is_wanted_again_is_picked_again() -> None:
    picker = PiecePicker(3, Random(1))
    pick_all(picker, Bitfield.full(3))
    picker.want(1)
    picker.want(1)
    assert pick_all(picker, Bitfield.full(3)) == [1]


def test_done_is_for_good() -> None:
    picker = PiecePicker(2, Random(1))
    picker.done(0)
    assert pick_all(picker, Bitfield.full(2)) == [1]
    picker.done(1)
    assert picker.remaining == 0
    with pytest.raises(ValueError, match="is done"):
        picker.want(1)
    with pytest.raises(ValueError, match="done twice"):
        picker.done(1)


def test_a_peer_that_became_a_seed_piece_by_piece_leaves_nothing_behind() -> None:
    picker = PiecePicker(5, Random(1))
    bits = bits_of(5, [0, 1])
    picker.add_bits(bits)
    for index in (2, 3, 4):
        bits.set(index)
        picker.peer_has(index)
    picker.remove_bits(bits)
    assert [picker.availability(index) for index in range(5)] == [0] * 5


def test_a_large_torrent_with_a_poor_peer_is_still_answered() -> None:
    size = 80_000
    picker = past_the_random_start(size)
    picker.peer_has_all()
    poor = bits_of(size, range(0, size, 32))
    for _ in range(3):
        picker.add_bits(poor)
    picked = [picker.pick(poor) for _ in range(50)]
    assert all(index is not None and index in poor for index in picked)
    assert len(set(picked)) == 50


SIZE = 24
SETS = st.sets(st.integers(0, SIZE - 1))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), SETS),
        st.tuples(st.just("have"), st.integers(0, SIZE - 1)),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("pick"), st.integers(0, 9)),
        st.tuples(st.just("want"), st.integers(0, SIZE - 1)),
        st.tuples(st.just("done"), st.integers(0, SIZE - 1)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(0, 5))
def test_picks_are_the_rarest_of_what_the_peer_has(steps: list, seed: int) -> None:
    picker = PiecePicker(SIZE, Random(seed))
    peers: list[Bitfield] = []
    wanted, done = set(range(SIZE)), set()
    for step, value in steps:
        if step == "join":
            peers.append(bits_of(SIZE, value))
            picker.add_bits(peers[-1])
        elif step == "have" and peers and not peers[0].has(value):
            peers[0].set(value)
            picker.peer_has(value)
        elif step == "leave" and value < len(peers):
            picker.remove_bits(peers.pop(value))
        elif step == "pick" and value < len(peers):
            possible = wanted & set(peers[value])
            index = picker.pick(peers[value])
            assert (index in possible) if possible else index is None
            if index is not None:
                wanted.remove(index)
                if len(done) >= RANDOM_FIRST_PIECES:
                    counts = {i: sum(i in peer for peer in peers) for i in possible}
                    assert counts[index] == min(counts.values())
        elif step == "want" and value not in done:
            picker.want(value)
            wanted.add(value)
        elif step == "done" and value not in done:
            picker.done(value)
            wanted.discard(value)
            done.add(value)
        assert picker.wanted == len(wanted)
        assert picker.remaining == SIZE - len(done)
        if len(done) < SIZE:
            assert [picker.availability(i) for i in range(SIZE)] == [
                sum(i in peer for peer in peers) for i in range(SIZE)
            ]


@given(st.integers(0, 2**32), st.integers(2, 6))
def test_few_and_many_pieces_are_picked_alike(seed: int, num_peers: int) -> None:
    size = 300
    chance = Random(seed)
    peers = [bits_of(size, chance.sample(range(size), 200)) for _ in range(num_peers)]
    picks: list[list[int | None]] = []
    for few in (0, size):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(piece_picker, "FEW_PIECES", few)
            picker = PiecePicker(size, Random(seed))
            for bits in peers:
                picker.add_bits(bits)
            for index in range(0, size, 60):
                picker.done(index)
            picks.append([picker.pick(peers[n % 2]) for n in range(2 * size)])
    assert picks[0] == picks[1]
    assert None in picks[0]
