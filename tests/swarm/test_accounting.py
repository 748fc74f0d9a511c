import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.accounting import PER_BLOCK, Account, Accounting
from rawserver.wire.announce_request import AnnounceRequest, Event

HASH = bytes(range(20))
PEER = b"-XX0001-abcdefghijkl"


def announce(uploaded: int = 0, downloaded: int = 0, left: int = 100, **more: Any) -> Any:
    fields = {"info_hash": HASH, "peer_id": PEER, "port": 6881} | more
    return AnnounceRequest(uploaded=uploaded, downloaded=downloaded, left=left, **fields)


def amounts(accounting: Accounting, name: str = "ann") -> tuple[int, int]:
    account = accounting.account(name)
    assert account is not None
    return account.uploaded, account.downloaded


def torrents(accounting: Accounting, name: str = "ann") -> tuple[int, int]:
    account = accounting.account(name)
    assert account is not None
    return account.seeding, account.leeching


def test_an_account_grows_by_what_is_said_between_announces() -> None:
    accounting = Accounting()
    accounting.note("ann", announce(0, 0, event=Event.STARTED), 0.0)
    assert accounting.note("ann", announce(1000, 200), 60.0)
    assert accounting.note("ann", announce(1500, 300, 0, event=Event.COMPLETED), 120.0)
    assert accounting.note("ann", announce(1600, 300, 0, event=Event.STOPPED), 180.0)
    assert amounts(accounting) == (1600, 300)
    assert accounting.num_sessions == 0
    accounting.note("ann", announce(1600, 300, 0, event=Event.STOPPED), 181.0)
    assert amounts(accounting) == (1600, 300)
    assert accounting.account("bob") is None


def test_the_first_announce_that_is_seen_adds_nothing() -> None:
    accounting = Accounting()
    accounting.note("ann", announce(5000, 6000), 0.0)
    assert amounts(accounting) == (0, 0)
    accounting.note("ann", announce(5001, 6000), 60.0)
    assert amounts(accounting) == (1, 0)


@pytest.mark.parametrize(
    "again",
    [
        announce(0, 0, event=Event.STARTED),
        announce(5000, 5000, event=Event.STARTED),
        announce(999, 5000),
        announce(5000, 99),
    ],
)
def test_a_client_that_starts_again_begins_anew(again: AnnounceRequest) -> None:
    accounting = Accounting()
    accounting.note("ann", announce(0, 0), 0.0)
    accounting.note("ann", announce(1000, 100), 60.0)
    assert accounting.note("ann", again, 120.0)
    assert amounts(accounting) == (1000, 100)
    accounting.note("ann", announce(again.uploaded + 7, again.downloaded + 8), 180.0)
    assert amounts(accounting) == (1007, 108)


@pytest.mark.parametrize("lie", [announce(10**15, 0), announce(5, 10**15)])
def test_what_no_network_carries_is_not_added_and_shows(lie: AnnounceRequest) -> None:
    accounting = Accounting(fastest=1e6)
    accounting.note("ann", announce(0, 0), 0.0)
    assert not accounting.note("ann", lie, 60.0)
    assert amounts(accounting) == (0, 0)
    account = accounting.account("ann")
    assert account is not None
    assert account.doubtful == 1
    assert accounting.note("ann", announce(lie.uploaded + 1, lie.downloaded + 2), 120.0)
    assert amounts(accounting) == (1, 2)


def test_two_announces_at_once_have_a_second() -> None:
    accounting = Accounting(fastest=1000.0)
    accounting.note("ann", announce(0, 0), 0.0)
    assert accounting.note("ann", announce(1000, 0), 0.0)
    assert not accounting.note("ann", announce(2001, 0), 0.0)


def test_users_torrents_and_peers_are_counted_apart() -> None:
    accounting = Accounting()
    others: list[dict[str, Any]] = [{"peer_id": b"x" * 20}, {"info_hash": b"y" * 20}, {}]
    for fields in others:
        accounting.note("ann", announce(0, 0, **fields), 0.0)
    accounting.note("bob", announce(0, 0, 0), 0.0)
    for fields in others:
        accounting.note("ann", announce(10, 1, **fields), 60.0)
    accounting.note("bob", announce(5, 0, 0), 60.0)
    assert amounts(accounting) == (30, 3)
    assert amounts(accounting, "bob") == (5, 0)
    assert torrents(accounting) == (0, 3)
    assert torrents(accounting, "bob") == (1, 0)
    assert [account.name for account in accounting.accounts()] == ["ann", "bob"]


def test_seeding_and_leeching_follow_the_announces() -> None:
    accounting = Accounting()
    accounting.note("ann", announce(left=5), 0.0)
    assert torrents(accounting) == (0, 1)
    accounting.note("ann", announce(left=0), 60.0)
    assert torrents(accounting) == (1, 0)
    accounting.note("ann", announce(left=0, event=Event.STOPPED), 120.0)
    assert torrents(accounting) == (0, 0)


def test_sessions_that_are_silent_end() -> None:
    accounting = Accounting(lifetime=100.0)
    accounting.note("ann", announce(), 0.0)
    accounting.note("ann", announce(left=0, peer_id=b"x" * 20), 50.0)
    accounting.note("ann", announce(), 60.0)
    assert accounting.expire(150.0, 10) == 0
    assert accounting.expire(155.0, 10) == 1
    assert torrents(accounting) == (0, 1)
    # Announces do it too, so that nobody need.
    accounting.note("bob", announce(), 161.0)
    assert torrents(accounting) == (0, 0)
    assert accounting.num_sessions == 1


def test_expiring_does_a_part_at_a_time() -> None:
    accounting = Accounting(lifetime=100.0)
    for number in range(10):
        accounting.note("ann", announce(peer_id=number.to_bytes(20, "big")), 0.0)
    assert accounting.expire(200.0, 4) == 4
    assert accounting.num_sessions == 6


def test_memory_has_a_bound_and_the_most_silent_goes() -> None:
    accounting = Accounting(max_sessions=3)
    for number in range(5):
        accounting.note("ann", announce(peer_id=number.to_bytes(20, "big")), float(number))
    assert accounting.num_sessions == 3
    assert torrents(accounting) == (0, 3)
    accounting.note("ann", announce(7, 0, peer_id=(4).to_bytes(20, "big")), 60.0)
    accounting.note("ann", announce(7, 0, peer_id=(0).to_bytes(20, "big")), 60.0)
    assert amounts(accounting) == (7, 0)


# Dumps.


def states(accounting: Accounting) -> list[tuple[Any, ...]]:
    return [tuple(getattr(account, name) for name in Account.__slots__)
            for account in accounting.accounts()]  # fmt: skip


def filled(seed: int, num_announces: int = 60) -> Accounting:
    chance = random.Random(seed)
    accounting = Accounting()
    for number in range(num_announces):
        accounting.note(
            chance.choice(["ann", "bob", "é"]),
            announce(
                chance.randrange(10**9),
                chance.randrange(10**9),
                chance.randrange(2),
                peer_id=chance.randrange(4).to_bytes(20, "big"),
                event=chance.choice([Event.NONE, Event.NONE, Event.STOPPED]),
            ),
            10.0 * number,
        )
    return accounting


@given(st.integers(0, 2**31))
def test_a_dump_is_taken_up_as_it_was(seed: int) -> None:
    before = filled(seed)
    after = Accounting()
    after.restore(before.dump(600.0), 5.0, 10.0)
    assert states(after) == states(before)
    for accounting, now in ((before, 600.0), (after, 5.0)):
        for number in range(4):
            peer_id = number.to_bytes(20, "big")
            accounting.note("ann", announce(10**9 + 5, 10**9 + 5, peer_id=peer_id), now)
    assert states(after) == states(before)


def test_the_time_away_counts_as_silence_and_as_time_to_send_in() -> None:
    before = Accounting(fastest=100.0, lifetime=1000.0)
    before.note("ann", announce(0, 0), 0.0)
    before.note("bob", announce(0, 0), 500.0)
    after = Accounting(fastest=100.0, lifetime=1000.0)
    after.restore(before.dump(600.0), 0.0, 450.0)
    assert after.expire(0.0, 10) == 1
    assert after.note("bob", announce(100 * 550, 0), 0.0)
    assert amounts(after, "bob") == (55_000, 0)


def test_announces_may_come_while_it_is_dumped() -> None:
    before = Accounting()
    for number in range(3 * PER_BLOCK):
        before.note("ann", announce(peer_id=number.to_bytes(20, "big")), 0.0)
    blocks = []
    stopped = announce(peer_id=(PER_BLOCK + 1).to_bytes(20, "big"), event=Event.STOPPED)
    for block in before.dump(0.0):
        blocks.append(block)
        before.note("bob", announce(), 0.0)
        before.note("ann", stopped, 0.0)
    assert len(blocks) == 4
    after = Accounting()
    after.restore(blocks, 0.0, 0.0)
    # Bob had no account yet when the accounts were written.
    assert [account.name for account in after.accounts()] == ["ann"]
    assert torrents(after) == (0, 3 * PER_BLOCK - 1)


def test_many_accounts_are_dumped_in_blocks() -> None:
    before = Accounting()
    for number in range(2 * PER_BLOCK + 1):
        before.note(f"user {number}", announce(event=Event.STOPPED), 0.0)
    assert len(list(before.dump(0.0))) == 3
    after = Accounting()
    after.restore(before.dump(0.0), 0.0, 0.0)
    assert states(after) == states(before)


def test_the_most_silent_of_too_many_are_left_out() -> None:
    before = Accounting()
    for number in range(10):
        before.note("ann", announce(peer_id=number.to_bytes(20, "big")), float(number))
    after = Accounting(max_sessions=3)
    after.restore(before.dump(10.0), 10.0, 0.0)
    assert after.num_sessions == 3
    after.note("ann", announce(5, peer_id=(9).to_bytes(20, "big")), 10.0)
    assert amounts(after) == (5, 0)


@pytest.mark.parametrize(
    "blocks",
    [
        [b"Ad3:anni7ee"],
        [b"Ad3:annli0ei1ei2eee"],
        [b"Ad3:annli0ei1ei2e1:3ee"],
        [b"Ad3:annli0ei-1ei2ei3eee"],
        [b"Ad3:annli1ei1ei2ei3eee"],
        [b"Ad3:annli0ei1ei2ei3ee3:bobli0ei1ei2ei3eee", b"Ad1:cli3ei0ei0ei0eee"],
        [b"Ad1:\xffli0ei1ei2ei3eee"],
        [b"Ale"],
        [b"A"],
        [b"S1"],
        [b"X"],
        [b""],
    ],
)
def test_what_is_no_dump_changes_nothing(blocks: list[bytes]) -> None:
    accounting = filled(1)
    before = states(accounting)
    with pytest.raises(ValueError):  # noqa: PT011
        accounting.restore(blocks, 0.0, 0.0)
    assert states(accounting) == before


@given(st.lists(st.binary(max_size=150).map(lambda data: b"AS"[len(data) % 2 :][:1] + data)))
def test_random_blocks_are_taken_up_or_refused(blocks: list[bytes]) -> None:
    accounting = Accounting()
    try:
        accounting.restore(blocks, 0.0, 0.0)
    except ValueError:
        pass


def test_one_user_does_not_push_the_sessions_of_others_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rawserver.swarm.accounting.MAX_SESSIONS_OF_A_USER", 3)
    accounting = Accounting(max_sessions=5)
    accounting.note("ann", announce(event=Event.STARTED), 0.0)
    for number in range(50):
        accounting.note("bob", announce(event=Event.STARTED, peer_id=b"%020d" % number), 0.0)
    accounting.note("ann", announce(uploaded=70), 100.0)
    assert amounts(accounting) == (70, 0)
    assert accounting.num_sessions == 4
