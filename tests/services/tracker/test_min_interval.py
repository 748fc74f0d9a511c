import random

import pytest

from kit.tracker_files import ASKER, announce, verdict
from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Refused
from rawserver.services.tracker.min_interval import MinInterval
from rawserver.swarm.announce_interval import AnnounceInterval
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import AnnounceRequest, Event

FOUND = AnnounceResult(1, 1, 0, peers4=bytes(6))
NOBODY = AnnounceResult(0, 1, 0)


class Desk:
    """A gate with its watcher and clock; the least time is 450 seconds, of which 405 must pass."""

    def __init__(self, **more: int) -> None:
        self.now = 1000.0
        interval = AnnounceInterval(random.Random(1), 1800)
        self.gate = MinInterval(interval, lambda: self.now, **more)

    def ask(self, result: AnnounceResult = FOUND, asker: Asker = ASKER, **fields: object) -> bool:
        """Announce; returns whether it was answered."""
        request: AnnounceRequest = announce(**({"left": 5} | fields))
        try:
            self.gate(request, asker)
        except Refused:
            return False
        self.gate.watch(request, asker, result)
        return True


def test_who_comes_too_soon_is_told_when_to_come() -> None:
    desk = Desk()
    assert desk.ask()
    desk.now += 100
    with pytest.raises(Refused, match="too soon: come back in 305 seconds") as caught:
        desk.gate(announce(), ASKER)
    assert caught.value.retry_in == 305
    desk.now += 304.9
    assert verdict(desk.gate) == "too soon: come back in 1 seconds"
    desk.now += 0.2
    assert desk.ask()
    assert not desk.ask()


def test_who_is_refused_is_not_put_off_longer() -> None:
    desk = Desk()
    assert desk.ask()
    for _ in range(40):
        assert not desk.ask()
        desk.now += 10
    desk.now += 5
    assert desk.ask()


def test_who_wants_data_and_found_nobody_may_come_back_as_soon_as_he_was_told() -> None:
    desk = Desk()
    assert desk.ask(NOBODY)
    desk.now += 13
    assert not desk.ask(NOBODY)
    desk.now += 1
    assert desk.ask(NOBODY)
    desk.now += 14
    assert desk.ask(NOBODY, left=0)
    desk.now += 14
    assert not desk.ask(NOBODY, left=0)


@pytest.mark.parametrize("event", [Event.STARTED, Event.STOPPED, Event.COMPLETED])
def test_what_others_need_to_know_may_be_said_at_any_time(event: Event) -> None:
    desk = Desk()
    assert desk.ask()
    assert desk.ask(event=event)


def test_who_pauses_says_so_each_time_and_has_to_wait() -> None:
    desk = Desk()
    assert desk.ask(event=Event.PAUSED)
    assert not desk.ask(event=Event.PAUSED)


def test_who_has_stopped_may_come_again() -> None:
    desk = Desk()
    assert desk.ask()
    assert desk.ask(event=Event.STOPPED)
    assert desk.ask()


def test_another_torrent_peer_or_address_is_another() -> None:
    desk = Desk()
    assert desk.ask()
    assert desk.ask(info_hash=b"x" * 20)
    assert desk.ask(peer_id=b"x" * 20)
    assert desk.ask(asker=Asker(bytes(16)))
    assert not desk.ask()


def test_memory_has_a_bound() -> None:
    desk = Desk(max_remembered=10)
    for number in range(100):
        assert desk.ask(peer_id=number.to_bytes(20, "big"))
    assert not desk.ask(peer_id=(99).to_bytes(20, "big"))
    assert desk.ask(peer_id=(1).to_bytes(20, "big"))
