from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.blame import Blame

GOOD = {block: b"good %d" % block for block in range(8)}


def attempt(senders: str, liars: str = "") -> list[tuple[int, str, bytes]]:
    """A piece of as many blocks as there are senders; liars send something else."""
    return [
        (block, sender, b"bad from " + sender.encode() if sender in liars else GOOD[block])
        for block, sender in enumerate(senders)
    ]


def test_a_lone_sender_is_guilty_at_once() -> None:
    blame: Blame[int, str] = Blame()
    assert blame.piece_failed(3, attempt("aaaa", "a")) == ["a"]
    assert not blame.is_suspect(3)


def test_of_several_nobody_is_guilty_until_the_piece_is_good() -> None:
    blame: Blame[int, str] = Blame()
    assert blame.piece_failed(3, attempt("abca", "b")) == []
    assert blame.is_suspect(3)
    assert not blame.is_suspect(4)
    assert blame.piece_passed(3, GOOD.__getitem__) == ["b"]
    assert not blame.is_suspect(3)
    assert blame.piece_passed(3, GOOD.__getitem__) == []


def test_every_attempt_counts() -> None:
    blame: Blame[int, str] = Blame()
    blame.piece_failed(3, attempt("abca", "c"))
    blame.piece_failed(3, attempt("adda", "d"))
    assert blame.piece_passed(3, GOOD.__getitem__) == ["c", "d"]


def test_each_block_is_digested_once() -> None:
    blame: Blame[int, str] = Blame()
    for senders in ("abab", "baba"):
        blame.piece_failed(3, attempt(senders, "a"))
    asked = []

    def digest_of(block: int) -> bytes:
        asked.append(block)
        return GOOD[block]

    assert blame.piece_passed(3, digest_of) == ["a"]
    assert asked == [0, 1, 2, 3]


def test_the_oldest_piece_is_forgotten_when_there_are_too_many() -> None:
    blame: Blame[int, str] = Blame(max_blocks=10)
    for index in (1, 2, 3):
        blame.piece_failed(index, attempt("abca", "b"))
    assert [blame.is_suspect(index) for index in (1, 2, 3)] == [False, True, True]
    assert blame.piece_passed(2, GOOD.__getitem__) == ["b"]
    blame.piece_failed(4, attempt("abca", "b"))
    assert blame.is_suspect(3)


def test_a_piece_that_fails_for_ever_takes_no_more_room_than_there_is() -> None:
    blame: Blame[int, str] = Blame(max_blocks=10)
    for number in range(50):
        blame.piece_failed(1, [(0, f"liar {number}", b"%d" % number), (1, "honest", GOOD[1])])
    guilty = blame.piece_passed(1, GOOD.__getitem__)
    assert 8 <= len(guilty) <= 10
    assert guilty[-1] == "liar 49"
    assert "honest" not in guilty


def test_the_last_failed_piece_is_kept_whole_however_large() -> None:
    blame: Blame[int, str] = Blame(max_blocks=2)
    blame.piece_failed(1, attempt("abcdefgh", "a"))
    assert blame.piece_passed(1, GOOD.__getitem__) == ["a"]


ATTEMPTS = st.lists(st.tuples(st.integers(0, 5), st.text("abcdef", min_size=4, max_size=4)))


@given(ATTEMPTS, st.integers(0, 40), st.sampled_from(["a", "ab", "cf"]))
def test_the_innocent_are_never_blamed(
    attempts: list[tuple[int, str]], room: int, liars: str
) -> None:
    blame: Blame[int, str] = Blame(room)
    for index, senders in attempts:
        if set(senders) & set(liars):
            assert set(blame.piece_failed(index, attempt(senders, liars))) <= set(liars)
        else:
            assert set(blame.piece_passed(index, GOOD.__getitem__)) <= set(liars)
    for index in range(6):
        assert set(blame.piece_passed(index, GOOD.__getitem__)) <= set(liars)
