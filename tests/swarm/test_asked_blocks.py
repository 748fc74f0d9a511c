"""What a peer owes, and when it counts as quiet."""

from rawserver.swarm.asked_blocks import QUIET_SECONDS, AskedBlocks, times_in
from rawserver.swarm.started_piece import Block, StartedPiece

BLOCK = Block(0, 0, 16384)
PIECE: StartedPiece[str] = StartedPiece(0, 32768, 16384)


def owing() -> AskedBlocks[str]:
    asked: AskedBlocks[str] = AskedBlocks()
    asked.blocks[BLOCK] = PIECE
    asked.becomes_quiet(100.0)
    return asked


def test_who_owes_and_sends_nothing_becomes_quiet_once() -> None:
    asked = owing()
    assert not asked.becomes_quiet(100.0 + QUIET_SECONDS - 0.1)
    assert asked.becomes_quiet(100.0 + QUIET_SECONDS)
    assert asked.quiet
    assert not asked.becomes_quiet(200.0)
    assert asked.quiet


def test_a_block_ends_the_quiet() -> None:
    asked = owing()
    asked.becomes_quiet(200.0)
    asked.heard = True
    assert not asked.becomes_quiet(201.0)
    assert not asked.quiet


def test_who_owes_nothing_is_not_quiet() -> None:
    asked = owing()
    asked.blocks.clear()
    assert not asked.becomes_quiet(200.0)
    assert not asked.quiet


def test_those_who_owe_a_block_are_counted() -> None:
    other = Block(0, 16384, 16384)
    assert times_in([], BLOCK) == 0
    assert times_in([{BLOCK: PIECE}, {other: PIECE}, {other: PIECE, BLOCK: PIECE}], BLOCK) == 2
