import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.bitfield import Bitfield, BitfieldError


def test_the_high_bit_of_the_first_byte_is_piece_zero() -> None:
    bits = Bitfield(10)
    bits.set(0)
    bits.set(9)
    assert bits.to_bytes() == b"\x80\x40"
    assert list(bits) == [0, 9]


def test_setting_and_clearing_twice_counts_once() -> None:
    bits = Bitfield(3)
    bits.set(1)
    bits.set(1)
    assert bits.count == 1
    bits.clear(1)
    bits.clear(1)
    assert bits.count == 0
    assert 1 not in bits


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 16, 1001])
def test_full(size: int) -> None:
    bits = Bitfield.full(size)
    assert bits.is_full
    assert list(bits) == list(range(size))
    assert list(bits.missing()) == []


@pytest.mark.parametrize("index", [-1, 3, 8])
def test_a_number_that_is_no_piece_is_our_bug(index: int) -> None:
    bits = Bitfield(3)
    for act in (bits.has, bits.set, bits.clear):
        with pytest.raises(IndexError):
            act(index)


@pytest.mark.parametrize(
    ("size", "data"),
    [(8, b""), (8, b"\0\0"), (9, b"\0"), (0, b"\0"), (7, b"\x01"), (9, b"\0\x40"), (1, b"\x7f")],
)
def test_from_wire_refuses_wrong_lengths_and_spare_bits(size: int, data: bytes) -> None:
    with pytest.raises(BitfieldError):
        Bitfield.from_wire(size, data)


def test_a_copy_is_independent() -> None:
    bits = Bitfield.from_wire(4, b"\x50")
    other = bits.copy()
    other.set(0)
    assert (list(bits), list(other)) == ([1, 3], [0, 1, 3])
    assert bits != other


def test_sets_of_different_sizes_do_not_mix() -> None:
    with pytest.raises(ValueError, match="bitfields of 3 and of 4"):
        Bitfield(3).common_with(Bitfield(4))
    with pytest.raises(ValueError, match="bitfields of 3 and of 4"):
        Bitfield(3).count_missing_from(Bitfield(4))
    with pytest.raises(ValueError, match="bitfields of 3 and of 4"):
        Bitfield(3).first_common(Bitfield(4), 0)


@pytest.mark.parametrize("far", [0, 5, 4_000, 99_999])
def test_what_is_common_is_found_across_a_long_gap(far: int) -> None:
    bits = bitfield_of(100_000, {far})
    for start in (0, 6, 50_000, 99_999):
        assert bits.first_common(Bitfield.full(100_000), start) == far
    assert Bitfield(100_000).first_common(bits, 7) is None
    assert Bitfield(0).first_common(Bitfield(0), 0) is None


@st.composite
def sized_sets(draw: st.DrawFn) -> tuple[int, set[int], set[int]]:
    size = draw(st.integers(1, 70))
    numbers = st.sets(st.integers(0, size - 1))
    return size, draw(numbers), draw(numbers)


def bitfield_of(size: int, numbers: set[int]) -> Bitfield:
    bits = Bitfield(size)
    for number in numbers:
        bits.set(number)
    return bits


@given(sized_sets(), st.integers(0, 69))
def test_it_is_a_set_of_numbers(sets: tuple[int, set[int], set[int]], start: int) -> None:
    size, ours, theirs = sets
    bits, other = bitfield_of(size, ours), bitfield_of(size, theirs)
    assert list(bits) == sorted(ours)
    assert list(bits.missing()) == sorted(set(range(size)) - ours)
    assert bits.count == len(ours)
    assert bits.is_full == (len(ours) == size)
    assert all((index in bits) == (index in ours) for index in range(size))
    assert Bitfield.from_wire(size, bits.to_bytes()) == bits
    assert set(bits.common_with(other)) == ours & theirs
    assert bits.common_with(other).count == len(ours & theirs)
    assert bits.count_missing_from(other) == len(ours - theirs)
    start %= size
    nearest = min((ours & theirs), key=lambda number: (number < start, number), default=None)
    assert bits.first_common(other, start) == nearest


def test_without_leaves_out_what_the_other_has() -> None:
    ours, theirs = Bitfield(12), Bitfield(12)
    for index in (0, 3, 11):
        ours.set(index)
    theirs.set(3)
    theirs.set(5)
    assert list(ours.without(theirs)) == [0, 11]
    with pytest.raises(ValueError, match="11"):
        ours.without(Bitfield(11))


def test_it_tells_whether_something_changed() -> None:
    bits = Bitfield(10)
    assert [bits.set(3), bits.set(3), bits.clear(3), bits.clear(3)] == [True, False, True, False]
    for act in (bits.set, bits.clear):
        for index in (-1, 10, 15):
            with pytest.raises(IndexError):
                act(index)
