"""Names are answered as a resolver does it, later or not at all."""

import random
import socket

import pytest

from rawserver.simulation.cost_meter import CostMeter
from rawserver.simulation.names import (
    FASTEST_SECONDS,
    SLOWEST_SECONDS,
    TIMEOUT_SECONDS,
    NameFault,
    NameFaults,
    Names,
    Resolver,
)


def resolver() -> tuple[Resolver, CostMeter, NameFaults]:
    names, meter = Names(), CostMeter()
    names["tracker.example"] = ["192.0.2.1", "2001:db8::1"]
    names["Bücher.Example"] = ["192.0.2.2"]
    return Resolver(names, random.Random(1), meter), meter, names.faults


def test_a_name_has_its_addresses_in_order_and_the_answer_takes_time() -> None:
    names, meter, _ = resolver()
    assert names.resolve("tracker.example", 80, socket.SOCK_STREAM) == [
        (socket.AF_INET, ("192.0.2.1", 80)),
        (socket.AF_INET6, ("2001:db8::1", 80, 0, 0)),
    ]
    assert FASTEST_SECONDS <= meter.take() <= SLOWEST_SECONDS


@pytest.mark.parametrize("name", ["TRACKER.example", "tracker.example."])
def test_case_and_a_last_dot_make_no_other_name(name: str) -> None:
    names, _, _ = resolver()
    assert len(names.resolve(name, 80, socket.SOCK_STREAM)) == 2


def test_a_name_may_be_of_other_letters() -> None:
    names, _, _ = resolver()
    for name in ("bücher.example", "xn--bcher-kva.example"):
        [found] = names.resolve(name, 80, socket.SOCK_STREAM)
        assert found.address == ("192.0.2.2", 80)


@pytest.mark.parametrize("host", ["192.0.2.9", "::1", "localhost"])
def test_what_needs_no_server_takes_no_time(host: str) -> None:
    names, meter, _ = resolver()
    assert names.resolve(host, 80, socket.SOCK_STREAM)
    assert meter.take() == 0.0


@pytest.mark.parametrize("host", ["absent.example", "1.2.3.4%x", "999.1.1.1"])
def test_what_is_no_name_is_as_the_system_says_it(host: str) -> None:
    names, _, _ = resolver()
    with pytest.raises(socket.gaierror) as caught:
        names.resolve(host, 80, socket.SOCK_STREAM)
    assert caught.value.errno == socket.EAI_NONAME


def test_what_can_be_no_name() -> None:
    names, _, _ = resolver()
    with pytest.raises(UnicodeError):
        names.resolve("a" * 64 + ".example", 80, socket.SOCK_STREAM)


def test_silent_servers_take_long_and_failing_ones_do_not() -> None:
    names, meter, faults = resolver()
    for kind, least in (("no answer", TIMEOUT_SECONDS), ("refused", 0.0)):
        fault = faults.add(NameFault(kind=kind))
        with pytest.raises(socket.gaierror) as caught:
            names.resolve("tracker.example", 80, socket.SOCK_STREAM)
        assert caught.value.errno == socket.EAI_AGAIN
        assert least <= meter.take() <= least + SLOWEST_SECONDS
        faults.remove(fault)
    assert names.resolve("tracker.example", 80, socket.SOCK_STREAM)


def test_a_fault_is_of_its_name_its_number_and_its_chance() -> None:
    names, meter, faults = resolver()
    faults.add(NameFault("Tracker.Example", "unknown", times=1))
    assert names.resolve("bücher.example", 80, socket.SOCK_STREAM)
    with pytest.raises(socket.gaierror, match="not known"):
        names.resolve("tracker.example", 80, socket.SOCK_STREAM)
    assert names.resolve("tracker.example", 80, socket.SOCK_STREAM)
    faults.active.clear()
    meter.take()
    faults.add(NameFault(seconds=100.0, chance=0.5))
    for _ in range(100):
        names.resolve("tracker.example", 80, socket.SOCK_STREAM)
    assert 3500 < meter.take() < 6500


def test_names_are_a_mapping_of_addresses() -> None:
    names = Names()
    names["A.example"] = ["192.0.2.1"]
    assert names["a.example."] == ("192.0.2.1",)
    assert list(names) == ["a.example"]
    for wrong in (["b.example"], "192.0.2.1"):
        with pytest.raises(ValueError, match="no list of addresses"):
            names["c.example"] = wrong
    del names["a.EXAMPLE"]
    assert not names


def test_what_a_host_knows_by_itself_is_there_at_once() -> None:
    names, meter = Names(), CostMeter()
    names["a.example"] = ["192.0.2.1"]
    own = {"a.example": ["10.0.0.1"]}
    resolver = Resolver(names, random.Random(1), meter, own)
    [found] = resolver.resolve("A.example", 80, socket.SOCK_STREAM)
    assert found.address == ("10.0.0.1", 80)
    assert meter.take() == 0.0
