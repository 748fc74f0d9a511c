import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.started_piece import Block, StartedPiece, blocks_of


def test_the_last_block_may_be_short() -> None:
    assert blocks_of(7, 40, 16) == [Block(7, 0, 16), Block(7, 16, 16), Block(7, 32, 8)]
    assert blocks_of(0, 5, 16) == [Block(0, 0, 5)]


@given(st.integers(1, 500), st.integers(1, 40))
def test_blocks_cover_the_piece_once(size: int, block_length: int) -> None:
    position = 0
    for block in blocks_of(3, size, block_length):
        assert type(block) is Block
        assert (block.index, block.begin) == (3, position)
        assert 0 < block.length <= block_length
        position += block.length
    assert position == size


@pytest.mark.parametrize(("size", "block_length"), [(0, 16), (-1, 16), (16, 0)])
def test_an_empty_piece_is_our_bug(size: int, block_length: int) -> None:
    with pytest.raises(ValueError, match="bytes in blocks of"):
        blocks_of(0, size, block_length)


def test_blocks_are_taken_in_order() -> None:
    piece: StartedPiece[str] = StartedPiece(0, 64, 16)
    assert [block.begin for block in piece.take(3)] == [0, 16, 32]
    assert [block.begin for block in piece.take(3)] == [48]
    assert piece.free == []


def test_taking_all_but_some() -> None:
    piece: StartedPiece[str] = StartedPiece(0, 64, 16)
    first, second = piece.blocks[:2]
    assert piece.take_but(2, {first}) == [second, piece.blocks[2]]
    assert piece.has_free_but({first})
    assert piece.take_but(2, {first}) == [piece.blocks[3]]
    assert not piece.has_free_but({first})
    assert piece.free == [first]


def test_senders_are_named_once_in_the_order_of_their_first_block() -> None:
    piece: StartedPiece[str] = StartedPiece(0, 64, 16)
    for block, sender in zip(piece.blocks, "abab", strict=True):
        piece.senders[block] = sender
    assert piece.all_senders() == ("a", "b")


def test_only_a_piece_on_parole_with_a_worker_is_not_shared() -> None:
    piece: StartedPiece[str] = StartedPiece(0, 64, 16, parole=True)
    assert piece.may_be_shared
    piece.worker = "a"
    assert not piece.may_be_shared
    piece.parole = False
    assert piece.may_be_shared
