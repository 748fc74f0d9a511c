"""What a gate raises, and how a tracker takes it."""

import pytest

from kit.tracker_desk import HASH, Desk, announce, seed
from rawserver.services.tracker import Asker, Tracker
from rawserver.services.tracker.gate import Refused
from rawserver.services.tracker.info_hash_list import AllowedHashes
from rawserver.services.tracker.min_interval import MinInterval
from rawserver.services.tracker.rate_per_address import RatePerAddress
from rawserver.wire.announce_request import AnnounceRequest


def test_a_refusal_says_why_and_when_to_come_back() -> None:
    refusal = Refused("too soon", retry_in=30)
    assert (str(refusal), refusal.retry_in) == ("too soon", 30)
    assert Refused("never mind").retry_in is None


def only_even_ports(request: AnnounceRequest, asker: Asker) -> str | None:
    if request.port % 2:
        raise Refused("an odd port", retry_in=61)
    return "a high port" if request.port > 1024 else None


def test_any_callable_is_a_gate() -> None:
    tracker = Tracker(Desk(), gates=[only_even_ports])
    assert announce(tracker, port=6881) == {b"failure reason": b"an odd port", b"retry in": 2}
    assert tracker.registry.num_peers == 0
    assert announce(tracker, port=6882)[b"warning message"] == b"a high port"
    assert b"warning message" not in announce(tracker, port=80)


def test_gates_are_asked_in_order_up_to_the_first_that_refuses() -> None:
    tracker = Tracker(Desk(), gates=[AllowedHashes({b"x" * 20}), only_even_ports])
    failure = b"this torrent is not tracked here"
    assert announce(tracker, port=6881) == {b"failure reason": failure}


def test_a_fault_in_a_gate_lets_nobody_through() -> None:
    def faulty(request: AnnounceRequest, asker: Asker) -> str | None:
        raise ZeroDivisionError

    tracker = Tracker(Desk(), gates=[faulty])
    with pytest.raises(ZeroDivisionError):
        announce(tracker)
    assert HASH not in tracker.registry


def test_a_tracker_enforces_the_interval_that_it_told() -> None:
    desk = Desk()
    tracker = Tracker(desk, interval=1800)
    enforced = MinInterval(tracker.interval, desk.time)
    tracker.gates.append(enforced)
    tracker.watchers.append(enforced.watch)
    told = announce(tracker)[b"min interval"]  # nobody else is there: he may come back soon
    assert announce(tracker)[b"retry in"] == 1
    desk.now += told
    seed(tracker)
    told = announce(tracker)[b"min interval"]
    assert announce(tracker) == {
        b"failure reason": b"too soon: come back in 405 seconds", b"retry in": 7
    }  # fmt: skip
    desk.now += told
    assert b"failure reason" not in announce(tracker)


def test_an_address_that_floods_a_tracker_is_refused() -> None:
    desk = Desk()
    tracker = Tracker(desk, gates=[RatePerAddress(desk.time, rate=1.0, burst=2)])
    replies = [announce(tracker) for _ in range(3)]
    assert [b"failure reason" in reply for reply in replies] == [False, False, True]
    assert b"failure reason" not in seed(tracker, "203.0.113.77")
