"""Piece sizes: what is chosen, what a user may ask for, and how sizes are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.piece_size import (
    check_piece_size,
    choose_piece_size,
    format_size,
    parse_size,
)

KIB, MIB, GIB, TIB = 2**10, 2**20, 2**30, 2**40


@pytest.mark.parametrize(
    ("total_size", "size"),
    [
        (0, 16 * KIB),
        (1, 16 * KIB),
        (16 * MIB, 16 * KIB),
        (1000 * 32 * KIB, 32 * KIB),
        (999 * 32 * KIB, 16 * KIB),
        (GIB, MIB),
        (4 * GIB, 4 * MIB),
        (100 * GIB, 16 * MIB),
        (32 * TIB, 16 * MIB),
        (33 * TIB, 32 * MIB),
    ],
)
def test_choice(total_size: int, size: int) -> None:
    assert choose_piece_size(total_size) == size


@given(st.integers(1000 * 16 * KIB, 2000 * 16 * MIB - 1))
def test_between_the_ends_there_are_one_to_two_thousand_pieces(total_size: int) -> None:
    size = choose_piece_size(total_size)
    assert 1000 <= -(-total_size // size) <= 2000
    check_piece_size(size, total_size)


def test_there_is_content_too_large_for_any_torrent() -> None:
    with pytest.raises(ValueError, match="power of two"):
        choose_piece_size(2**50)


@pytest.mark.parametrize("size", [16 * KIB, 256 * KIB, 128 * MIB])
def test_a_user_may_ask_for(size: int) -> None:
    check_piece_size(size)


@pytest.mark.parametrize("size", [-1, 0, 1, 8 * KIB, 16 * KIB + 1, 48 * KIB, 256 * MIB])
def test_a_user_may_not_ask_for(size: int) -> None:
    with pytest.raises(ValueError, match="power of two from 16 KiB to 128 MiB, not"):
        check_piece_size(size)


def test_too_many_pieces() -> None:
    check_piece_size(16 * KIB, 2_097_152 * 16 * KIB)
    with pytest.raises(ValueError, match="2097153, more than"):
        check_piece_size(16 * KIB, 2_097_152 * 16 * KIB + 1)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("262144", 262144),
        ("256K", 256 * KIB),
        ("256k", 256 * KIB),
        ("256KB", 256 * KIB),
        (" 256 KiB ", 256 * KIB),
        ("1MiB", MIB),
        ("1.5M", 3 * 512 * KIB),
        ("2g", 2 * GIB),
        ("1T", TIB),
        ("7B", 7),
    ],
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "K", "-1", "+1", "1_0", "1e3", "1X", "1Ki", "1KK", "5iB", ".5M", "\u0661", "1" * 40],
)
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize("text", ["1.5", "0.0001K"])
def test_no_whole_number_of_bytes(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        parse_size(text)


@given(st.integers(1, 2**50).map(lambda number: number * 1024))
def test_formatted_sizes_are_exact(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_odd_sizes_are_shown_in_bytes() -> None:
    assert format_size(1000) == "1000 bytes"
    assert format_size(0) == "0 bytes"
