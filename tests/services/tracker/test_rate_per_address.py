import pytest

from kit.tracker_files import ASKER, announce, verdict
from rawserver.services.tracker.asker import Asker
from rawserver.services.tracker.gate import Refused
from rawserver.services.tracker.rate_per_address import (
    DEFAULT_BURST,
    DEFAULT_RATE,
    RatePerAddress,
)
from rawserver.swarm.address_set import AddressSet, address_range

OTHER = Asker(bytes([203, 0, 113, 10]))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_address_that_asks_too_often_is_told_when_to_come() -> None:
    clock = Clock()
    gate = RatePerAddress(clock, rate=0.1, burst=3)
    assert [verdict(gate) for _ in range(3)] == [None] * 3
    with pytest.raises(Refused, match="come back in 10 seconds") as caught:
        gate(announce(), ASKER)
    assert caught.value.retry_in == 10
    assert verdict(gate, OTHER) is None
    clock.now += 9.5
    assert verdict(gate) == "your address announces too often: come back in 1 seconds"
    clock.now += 0.5
    assert verdict(gate) is None


def test_who_may_say_where_he_is_is_counted_where_he_is_seen() -> None:
    gate = RatePerAddress(Clock(), rate=1.0, burst=2)
    said = [Asker(bytes([8, 8, 8, number]), seen_ip=OTHER.ip) for number in range(3)]
    verdicts = [verdict(gate, asker) for asker in said]
    assert verdicts[:2] == [None, None]
    assert verdicts[2] is not None


def test_who_is_exempt_is_not_counted() -> None:
    exempt = AddressSet([address_range("203.0.113.9")])
    gate = RatePerAddress(Clock(), rate=1.0, burst=1, exempt=exempt)
    assert [verdict(gate) for _ in range(5)] == [None] * 5
    assert verdict(gate, OTHER) is None
    assert verdict(gate, OTHER) is not None


def test_a_front_end_can_count_what_is_no_announce() -> None:
    gate = RatePerAddress(Clock(), rate=2.0, burst=1)
    assert gate.seconds_to_wait(ASKER.ip) == 0.0
    assert gate.seconds_to_wait(ASKER.ip) == pytest.approx(0.5)
    assert verdict(gate) is not None


def test_memory_has_a_bound_and_the_defaults_let_many_torrents_begin() -> None:
    gate = RatePerAddress(Clock(), rate=1.0, burst=1, max_addresses=4)
    for number in range(100):
        assert gate.seconds_to_wait(number.to_bytes(4, "big")) == 0.0
    gate = RatePerAddress(Clock())
    assert (DEFAULT_RATE, DEFAULT_BURST) == (20.0, 2000.0)
    assert all(gate.seconds_to_wait(ASKER.ip) == 0.0 for _ in range(2000))
    assert gate.seconds_to_wait(ASKER.ip) > 0
