import random
import socket

import pytest

from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Limits, RawServer
from rawserver.engine.admission import Admission, Ticket, network_of


def admission(**limits: object) -> tuple[Admission, list[int]]:
    """An admission, and the totals at which it told of room."""
    told: list[int] = []
    made = Admission(Limits(**limits), lambda: told.append(made.total))
    return made, told


def test_without_limits_anybody_may_come() -> None:
    made, told = admission()
    tickets = [made.admit("192.0.2.1") for _ in range(100)]
    assert made.why_not("192.0.2.1") is None
    assert made.total == 100
    for ticket in tickets:
        ticket.give_back()
    assert made.total == 0
    assert not told


def test_room_is_told_of_only_where_there_was_none() -> None:
    made, told = admission(total=2)
    first, second = made.admit("192.0.2.1"), made.admit("192.0.2.2")
    assert made.why_not("192.0.2.3") == "total"
    first.give_back()
    assert told == [1]
    assert made.why_not("192.0.2.3") is None
    second.give_back()
    assert told == [1]


def test_a_ticket_given_back_twice_counts_once() -> None:
    made, told = admission(total=2, per_ip=1)
    ticket, other = made.admit("192.0.2.1"), made.admit("192.0.2.2")
    ticket.give_back()
    ticket.give_back()
    assert made.total == 1
    assert len(told) == 1
    assert made.why_not("192.0.2.1") is None
    assert made.why_not("192.0.2.2") == "per_ip"
    other.give_back()
    assert made.total == 0


def test_who_is_let_in_again_from_within_the_telling_is_counted() -> None:
    tickets: list[Ticket] = []
    made = Admission(Limits(total=1), lambda: tickets.append(made.admit("192.0.2.9")))
    made.admit("192.0.2.1").give_back()
    assert made.total == 1
    assert made.is_full


def test_the_openings_are_counted_by_who_makes_them() -> None:
    made, _ = admission(opening=2)
    made.opening = 1
    assert made.why_not("192.0.2.1") is None
    made.opening = 2
    assert made.why_not("192.0.2.1") == "opening"


def test_one_network_of_ipv6_counts_as_one_and_neighbours_of_ipv4_as_two() -> None:
    made, _ = admission(per_ip=1)
    made.admit("2001:db8:0:1::5")
    made.admit("192.0.2.1")
    assert made.why_not("2001:db8:0:1:ffff::9") == "per_ip"
    assert made.why_not("2001:db8:0:2::5") is None
    assert made.why_not("192.0.2.1") == "per_ip"
    assert made.why_not("192.0.2.2") is None


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::"),
        ("2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:db8::"),
        ("fe80::1%eth0", "fe80::"),
    ],
)
def test_what_counts_as_one(ip: str, network: str) -> None:
    assert network_of(ip) == network


def test_those_without_an_address_are_not_held_to_one() -> None:
    made, _ = admission(per_ip=1, total=3)
    for _ in range(3):
        assert made.why_not("") is None
        made.admit("")
    assert made.why_not("") == "total"


def test_what_a_proxy_tells_takes_the_place_of_what_was_seen() -> None:
    made, _ = admission(per_ip=1)
    ticket = made.admit("192.0.2.1")
    ticket.comes_from("198.51.100.7")
    assert made.why_not("192.0.2.1") is None
    assert made.why_not("198.51.100.7") == "per_ip"
    ticket.give_back()
    assert made.why_not("198.51.100.7") is None


def test_one_who_came_under_other_limits_takes_nothing_from_those_of_now() -> None:
    made, _ = admission()
    before = made.admit("192.0.2.1")
    made.limits = Limits(per_ip=1)
    after = made.admit("192.0.2.1")
    before.give_back()
    assert made.why_not("192.0.2.1") == "per_ip"
    made.limits = Limits()
    after.give_back()
    made.limits = Limits(per_ip=1)
    assert made.why_not("192.0.2.1") is None


def test_counts_come_to_nothing_whatever_the_order() -> None:
    chance = random.Random(1)
    made, _ = admission(per_ip=1000, total=50)
    tickets: list[Ticket] = []
    for _ in range(2000):
        if chance.random() < 0.5:
            tickets.append(made.admit(f"192.0.2.{chance.randrange(5)}"))
        elif tickets:
            ticket = chance.choice(tickets)
            if chance.random() < 0.3:
                ticket.comes_from(f"198.51.100.{chance.randrange(5)}")
            else:
                tickets.remove(ticket)
                ticket.give_back()
        assert made.total == len(tickets)
        assert sum(made._per_ip.values()) == len(tickets)
    for ticket in tickets:
        ticket.give_back()
    assert made.total == 0
    assert not made._per_ip


@pytest.mark.parametrize("when_full", ["refuse", "wait"])
@pytest.mark.parametrize("paused", ["before it was full", "while it was full"])
def test_room_does_not_resume_a_listener_that_somebody_paused(
    raw_server: RawServer, when_full: str, paused: str
) -> None:
    callee = Recorder()
    port = listen(raw_server, callee, limits=Limits(total=1, when_full=when_full))
    (listener,) = raw_server.listeners()
    first = socket.create_connection(("127.0.0.1", port))
    run_until(raw_server, lambda: callee.connections)
    others = [socket.create_connection(("127.0.0.1", port))]
    if paused == "while it was full":
        for _ in range(3):
            raw_server.listen_once(0.0)
    listener.pause_reading()
    callee.connection.close()
    raw_server.listen_once(0.0)
    listener.limits = Limits(total=2)
    others.append(socket.create_connection(("127.0.0.1", port)))
    for _ in range(3):
        raw_server.listen_once(0.0)
    assert not listener.is_reading
    assert len(callee.connections) == 1
    listener.resume_reading()
    run_until(raw_server, lambda: len(callee.connections) >= 2)
    for sock in first, *others:
        sock.close()
