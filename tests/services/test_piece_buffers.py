from rawserver.services.piece_buffers import PieceBuffers


def size(index: int) -> int:
    """Eight bytes a piece, but for the tenth."""
    return 3 if index == 9 else 8


def test_blocks_become_a_piece_in_any_order() -> None:
    buffers = PieceBuffers(8, size)
    buffers.put(3, 4, memoryview(b"efgh"))
    buffers.put(3, 0, memoryview(b"abcd"))
    assert buffers.get(3) == b"abcdefgh"


def test_a_short_last_piece_has_its_own_length() -> None:
    buffers = PieceBuffers(8, size)
    buffers.put(9, 0, memoryview(b"xyz"))
    assert buffers.get(9) == b"xyz"


def test_memory_is_used_again() -> None:
    buffers = PieceBuffers(8, size)
    buffers.put(9, 0, memoryview(b"abc"))
    memory = buffers.get(9).obj
    buffers.release(9)
    buffers.put(1, 0, memoryview(b"12345678"))
    assert buffers.get(1).obj is memory
    assert buffers.get(1) == b"12345678"


def test_pieces_do_not_share_memory_while_they_are_lent() -> None:
    buffers = PieceBuffers(8, size)
    buffers.put(0, 0, memoryview(b"aaaa"))
    buffers.put(1, 0, memoryview(b"bbbb"))
    assert buffers.get(0) == b"aaaa" + bytes(4)


def test_only_a_few_free_buffers_are_kept() -> None:
    buffers = PieceBuffers(8, size)
    pieces = range(100, 100 + 2 * PieceBuffers.KEEP)
    for index in pieces:
        buffers.put(index, 0, memoryview(b"aaaa"))
    held = [buffers.get(index).obj for index in pieces]
    for index in pieces:
        buffers.release(index)
    for index in pieces:
        buffers.put(index, 0, memoryview(b"bbbb"))
    again = [buffers.get(index).obj for index in pieces]
    assert sum(any(new is old for old in held) for new in again) == PieceBuffers.KEEP


def test_releasing_what_was_never_lent_is_nothing() -> None:
    PieceBuffers(8, size).release(7)
