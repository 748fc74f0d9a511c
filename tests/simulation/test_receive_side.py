import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.simulation.receive_side import ReceiveSide


def test_what_comes_is_read_in_order() -> None:
    side = ReceiveSide(1000)
    assert side.take(1, b"abc")
    assert side.take(4, memoryview(b"def"))
    assert (side.size, side.next) == (6, 7)
    assert side.peek(4) == b"abcd"
    assert side.read(2) == b"ab"
    assert side.read(100) == b"cdef"
    assert side.size == 0


def test_what_comes_early_waits_for_what_it_follows() -> None:
    side = ReceiveSide(1000)
    assert not side.take(4, b"def")
    assert not side.take(4, b"def")
    assert not side.take(7, b"g")
    assert side.size == 0
    assert side.take(1, b"abc")
    assert side.read(100) == b"abcdefg"


@pytest.mark.parametrize(("sequence", "data"), [(1, b"abc"), (1, b""), (2, b"b")])
def test_what_is_there_already_is_no_news(sequence: int, data: bytes) -> None:
    side = ReceiveSide(1000)
    side.take(1, b"abc")
    assert not side.take(sequence, data)
    assert side.read(100) == b"abc"


def test_no_more_is_taken_than_was_asked_for() -> None:
    side = ReceiveSide(10)
    assert side.window() == 10
    side.take(1, b"x" * 50)
    side.take(40, b"y")
    assert (side.size, side.window()) == (10, 0)
    assert not side.take(11, b"z")
    assert side.read(4) == b"xxxx"
    assert side.is_window_news
    assert side.window() == 4
    assert not side.is_window_news


def test_what_was_promised_is_kept_when_the_buffer_is_made_smaller() -> None:
    side = ReceiveSide(1000)
    side.window()
    side.capacity = 100
    assert side.window() == 1000
    side.take(1, b"x" * 1000)
    assert side.size == 1000
    assert side.window() == 0


def test_the_end_is_reached_when_all_before_it_has_come() -> None:
    side = ReceiveSide(1000)
    side.take_fin(4)
    assert not side.is_finished
    side.take(1, b"abc")
    assert side.is_finished
    assert side.next == 5


def test_what_is_dropped_is_gone() -> None:
    side = ReceiveSide(1000)
    side.take(1, b"abc")
    side.take(10, b"early")
    side.drop()
    assert side.size == 0
    side.take(4, b"defghi")
    assert side.read(100) == b"defghi"


@given(st.integers(0, 1 << 30), st.integers(1, 300))
def test_any_order_and_any_repetition_comes_out_right(seed: int, length: int) -> None:
    chance = random.Random(seed)
    data = chance.randbytes(length)
    side = ReceiveSide(1000)
    got = b""
    pieces = []
    for _ in range(3):
        start = 0
        while start < length:
            end = min(length, start + chance.randrange(1, 60))
            pieces.append((start + 1, data[start:end]))
            start = end
    chance.shuffle(pieces)
    for sequence, piece in pieces:
        side.take(sequence, piece)
        if side.size and chance.random() < 0.5:
            got += side.read(chance.randrange(1, 50))
    assert got + (side.read(1000) if side.size else b"") == data


def test_it_tells_what_has_come_beyond_a_hole() -> None:
    side = ReceiveSide(1000)
    assert side.early_ranges() == ()
    side.take(21, b"0123456789")
    side.take(51, b"0123456789")
    assert side.early_ranges() == ((21, 31), (51, 61))
    side.take(31, b"0123456789")
    assert side.early_ranges() == ((21, 41), (51, 61))
    side.take(1, b"0123456789" * 2)
    assert side.early_ranges() == ((51, 61),)
