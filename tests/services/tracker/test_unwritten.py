"""What a store is to be told of when it is back."""

from typing import Any

from rawserver.services.tracker.redis_commands import Announce, Completions, Verdict
from rawserver.services.tracker.unwritten import Unwritten
from rawserver.wire.announce_request import Event

HASH, PEER, OTHER = b"h" * 20, b"p" * 20, b"o" * 20
IPV4, IPV6 = bytes(4), bytes(16)


def announce(peer_id: bytes = PEER, now: float = 0.0, **fields: Any) -> Announce:
    whole = Announce(
        info_hash=HASH, peer_id=peer_id, ip=IPV4, port=1, left=0, event=Event.NONE, numwant=50,
        now=now, key=b"", with_ids=False, partial=False, only_own_family=False, later=None,
    )  # fmt: skip
    return whole._replace(**fields)


def test_what_came_first_is_taken_first_and_once() -> None:
    unwritten = Unwritten(100)
    items = [announce(), announce(OTHER), announce(ip=IPV6), announce(info_hash=b"x" * 20)]
    for item in items:
        unwritten.add(item)
    assert len(unwritten) == 4
    assert unwritten.take(3) == items[:3]
    assert unwritten.take(3) == items[3:]
    assert unwritten.take(3) == []


def test_of_a_peer_the_last_announce_is_kept() -> None:
    unwritten = Unwritten(100)
    unwritten.add(announce(now=1.0))
    unwritten.add(announce(OTHER, now=2.0))
    unwritten.add(announce(now=3.0, left=5))
    # One that was on its way when the store went, and is put back now.
    unwritten.add(announce(OTHER, now=1.5))
    assert unwritten.take(10) == [announce(now=3.0, left=5), announce(OTHER, now=2.0)]


def test_a_completion_is_kept_through_what_comes_after_it() -> None:
    unwritten = Unwritten(100)
    unwritten.add(announce(now=1.0, event=Event.COMPLETED))
    unwritten.add(announce(now=2.0))
    assert unwritten.take(10) == [announce(now=2.0, event=Event.COMPLETED)]
    unwritten.add(announce(now=1.0, event=Event.COMPLETED))
    unwritten.add(announce(now=2.0, event=Event.STOPPED))
    assert [item.event for item in unwritten.take(10) if isinstance(item, Announce)] == [
        Event.COMPLETED,
        Event.STOPPED,
    ]


def test_who_stopped_and_came_back_is_there() -> None:
    unwritten = Unwritten(100)
    unwritten.add(announce(now=1.0, event=Event.STOPPED))
    unwritten.add(announce(now=2.0, event=Event.STARTED))
    assert unwritten.take(10) == [announce(now=2.0, event=Event.STARTED)]


def test_verdicts_and_counts_stand_beside_announces() -> None:
    unwritten = Unwritten(100)
    unwritten.add(announce())
    unwritten.add(Verdict(HASH, PEER, IPV4, 1, False))
    unwritten.add(Verdict(HASH, PEER, IPV4, 1, True))
    unwritten.add(Completions(HASH, 1))
    unwritten.add(Completions(HASH, 2))
    assert unwritten.take(10) == [
        announce(),
        Verdict(HASH, PEER, IPV4, 1, True),
        Completions(HASH, 2),
    ]


def test_no_more_than_the_limit_are_kept_and_those_the_last() -> None:
    unwritten = Unwritten(2)
    for number in range(5):
        unwritten.add(announce(bytes([number]) * 20))
        assert unwritten.has_dropped == (number > 1)
    assert unwritten.take(10) == [announce(b"\3" * 20), announce(b"\4" * 20)]
