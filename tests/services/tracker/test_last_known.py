"""What a store said last, of each swarm."""

import pytest

from rawserver.services.tracker import last_known
from rawserver.services.tracker.last_known import LastKnown
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.scrape import ScrapeFile

HASH, OTHER = b"h" * 20, b"o" * 20
ONE, TWO, THREE = b"\1\1\1\1\0\1", b"\2\2\2\2\0\2", b"\3\3\3\3\0\3"
SIX, SEVEN = b"\6" * 18, b"\7" * 18
NOTHING = AnnounceResult(0, 0, 0)


def test_the_larger_of_each_count_is_told() -> None:
    known = LastKnown(100)
    known.note(HASH, AnnounceResult(5, 6, 7), True, 0)
    assert known.file(ScrapeFile(HASH, 1, 9, 1)) == ScrapeFile(HASH, 5, 9, 6)
    assert known.file(ScrapeFile(OTHER, 1, 9, 1)) == ScrapeFile(OTHER, 1, 9, 1)
    assert known.counted(HASH, AnnounceResult(9, 1, 1, ONE)) == AnnounceResult(9, 6, 7, ONE)
    assert known.counted(OTHER, NOTHING) == NOTHING


def test_swarms_and_peers_are_counted() -> None:
    known = LastKnown(100)
    known.note(HASH, AnnounceResult(5, 6, 7), True, 0)
    known.note(OTHER, AnnounceResult(1, 1, 0), True, 0)
    assert (len(known), known.num_peers, known.num_seeds) == (2, 13, 6)
    known.note(HASH, AnnounceResult(2, 0, 7), True, 1)
    assert (len(known), known.num_peers, known.num_seeds) == (2, 4, 3)
    known.note(OTHER, NOTHING, True, 2)
    assert (len(known), known.num_peers, known.num_seeds) == (1, 2, 2)
    assert HASH in known
    assert OTHER not in known


def test_a_result_is_filled_up_with_peers_that_were_named() -> None:
    known = LastKnown(100)
    known.note(HASH, AnnounceResult(1, 2, 0, ONE + TWO + THREE, SIX + SEVEN), True, 0)
    here = AnnounceResult(0, 1, 0, TWO, SIX)
    assert known.filled_up(HASH, here, 50, ONE) == here._replace(
        peers4=TWO + THREE, peers6=SIX + SEVEN
    )
    assert known.filled_up(HASH, here, 3, ONE) == here._replace(peers4=TWO + THREE)
    assert known.filled_up(HASH, here, 50, ONE, 4) == here._replace(peers4=TWO + THREE)
    assert known.filled_up(HASH, here, 50, ONE, 16) == here._replace(peers6=SIX + SEVEN)
    for wanted in (0, 1, 2):
        assert known.filled_up(HASH, here, wanted, ONE) == here
    assert known.filled_up(OTHER, here, 50, ONE) == here


def test_who_seeds_is_told_of_no_seeds_so_what_he_is_told_is_not_kept() -> None:
    known = LastKnown(100)
    known.note(HASH, AnnounceResult(1, 1, 0, ONE + TWO), True, 0)
    known.note(HASH, AnnounceResult(1, 1, 0, TWO), False, 1)
    assert known.filled_up(HASH, NOTHING, 50, b"").peers4 == ONE + TWO
    known.note(HASH, AnnounceResult(1, 1, 0, THREE), True, 2)
    assert known.filled_up(HASH, NOTHING, 50, b"").peers4 == THREE
    known.note(HASH, AnnounceResult(1, 1, 0), True, 3)  # who asked for none
    assert known.filled_up(HASH, NOTHING, 50, b"").peers4 == THREE


def test_only_so_many_peers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_known, "MAX_PEERS_KEPT", 2)
    known = LastKnown(100)
    known.note(HASH, AnnounceResult(3, 0, 0, ONE + TWO + THREE, SIX + SEVEN + SIX), True, 0)
    filled = known.filled_up(HASH, NOTHING, 50, b"")
    assert (filled.peers4, filled.peers6) == (ONE + TWO, SIX + SEVEN)


def test_what_is_too_old_is_forgotten_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_known, "LOOKED_AT_PER_SWEEP", 2)
    known = LastKnown(100)
    for number in range(5):
        known.note(bytes([number]) * 20, AnnounceResult(1, 0, 0), True, number)
    known.note(bytes(20), AnnounceResult(2, 0, 0), True, 50)
    known.expire(100)
    assert len(known) == 5
    known.expire(104.5)
    assert len(known) == 3
    known.expire(104.5)
    assert (len(known), known.num_peers, known.num_seeds) == (1, 2, 2)
    known.expire(104.5)
    assert bytes(20) in known
