import pytest

from rawserver.swarm.candidates import (
    FIRST_RETRY_SECONDS,
    FORGIVEN_AFTER_SECONDS,
    MAX_CANDIDATES,
    MAX_FAILURES,
    POSTPONED_SECONDS,
    SHORTEST_STAY_SECONDS,
    Address,
    Candidates,
)

HOST: Address = ("192.0.2.1", 6881)
OTHER: Address = ("2001:db8::1", 6882)


def known(*addresses: Address) -> Candidates:
    candidates = Candidates()
    for address in addresses:
        assert candidates.add(address, "tracker", 0.0)
    return candidates


def address_number(number: int) -> Address:
    return (f"10.0.{number // 256}.{number % 256}", 6881)


def test_nothing_known_is_nothing_to_dial() -> None:
    assert Candidates().next_to_dial(1e9) is None


def test_addresses_are_dialled_in_the_order_in_which_they_were_found() -> None:
    candidates = known(HOST, OTHER)
    assert candidates.next_to_dial(0.0) == HOST
    assert candidates.next_to_dial(0.0) == HOST
    candidates.dialled(HOST, 0.0)
    assert candidates.next_to_dial(0.0) == OTHER
    candidates.dialled(OTHER, 0.0)
    assert candidates.next_to_dial(1e9) is None


def test_an_address_is_known_once_and_by_its_first_source() -> None:
    candidates = known(HOST)
    assert not candidates.add(HOST, "person", 1.0)
    assert len(candidates) == 1
    assert candidates.source(HOST) == "tracker"
    candidates.dialled(HOST, 1.0)
    assert not candidates.add(HOST, "person", 2.0)
    assert candidates.next_to_dial(2.0) is None


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_must_be_one(port: int) -> None:
    assert not Candidates().add(("192.0.2.1", port), "tracker", 0.0)


def test_failures_make_an_address_wait_longer_until_it_is_given_up() -> None:
    candidates = known(HOST)
    now = 0.0
    waits = []
    for _ in range(MAX_FAILURES):
        assert candidates.next_to_dial(now) == HOST
        candidates.dialled(HOST, now)
        candidates.failed(HOST, now)
        waited = 0
        while candidates.next_to_dial(now) is None and waited < 2000:
            now += 1
            waited += 1
        waits.append(waited)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 2000]


def test_what_was_given_up_is_forgiven_if_it_is_found_again_much_later() -> None:
    candidates = known(HOST)
    for _ in range(MAX_FAILURES):
        candidates.failed(HOST, 0.0)
    assert not candidates.add(HOST, "tracker", FORGIVEN_AFTER_SECONDS - 1)
    assert candidates.add(HOST, "tracker", FORGIVEN_AFTER_SECONDS)
    assert candidates.next_to_dial(FORGIVEN_AFTER_SECONDS) == HOST
    candidates.failed(HOST, FORGIVEN_AFTER_SECONDS)
    assert candidates.next_to_dial(FORGIVEN_AFTER_SECONDS + FIRST_RETRY_SECONDS) == HOST


@pytest.mark.parametrize(
    ("stay", "next_wait"),
    [(SHORTEST_STAY_SECONDS, FIRST_RETRY_SECONDS), (1.0, 2 * FIRST_RETRY_SECONDS)],
)
def test_only_a_connection_that_lasted_makes_up_for_failures(stay: float, next_wait: float) -> None:
    candidates = known(HOST)
    candidates.failed(HOST, 0.0)
    candidates.dialled(HOST, 100.0)
    candidates.connected(HOST, 100.0)
    assert candidates.next_to_dial(1e6) is None
    candidates.disconnected(HOST, 100.0 + stay)
    assert candidates.next_to_dial(100.0 + stay + next_wait - 1) is None
    assert candidates.next_to_dial(100.0 + stay + next_wait) == HOST


def test_a_peer_that_connects_while_it_waits_is_not_dialled() -> None:
    candidates = known(HOST)
    candidates.connected(HOST, 0.0)
    assert candidates.next_to_dial(1.0) is None


@pytest.mark.parametrize("method", ["is_ourselves", "is_seed", "ban"])
def test_some_addresses_are_never_dialled_again(method: str) -> None:
    candidates = known(HOST, OTHER)
    getattr(candidates, method)(HOST)
    assert candidates.next_to_dial(0.0) == OTHER
    assert HOST not in candidates
    assert not candidates.add(HOST, "tracker", 1e6)
    candidates.failed(HOST, 0.0)
    candidates.disconnected(HOST, 0.0)
    candidates.dialled(OTHER, 0.0)
    assert candidates.next_to_dial(1e6) is None


def test_one_may_be_banned_before_it_is_known() -> None:
    candidates = Candidates()
    candidates.ban(HOST)
    assert not candidates.add(HOST, "tracker", 0.0)


def test_no_more_are_known_than_the_limit_and_the_given_up_make_room() -> None:
    candidates = known(*map(address_number, range(MAX_CANDIDATES)))
    assert not candidates.add(HOST, "tracker", 0.0)
    for _ in range(MAX_FAILURES):
        candidates.failed(address_number(7), 0.0)
    assert candidates.add(HOST, "tracker", 0.0)
    assert len(candidates) == MAX_CANDIDATES
    assert address_number(7) not in candidates


def test_the_oldest_of_too_many_bans_is_forgotten() -> None:
    candidates = Candidates()
    for number in range(MAX_CANDIDATES + 1):
        candidates.ban(address_number(number))
    assert candidates.add(address_number(0), "tracker", 0.0)
    assert not candidates.add(address_number(1), "tracker", 0.0)


def test_the_queue_does_not_grow_with_connections_that_come_and_go() -> None:
    candidates = known(HOST, OTHER)
    for _ in range(3 * MAX_CANDIDATES):
        candidates.connected(HOST, 0.0)
        candidates.disconnected(HOST, SHORTEST_STAY_SECONDS)
    assert len(candidates._queue) <= 2 * MAX_CANDIDATES + 1
    assert candidates.next_to_dial(1e6) == OTHER
    candidates.dialled(OTHER, 1e6)
    assert candidates.next_to_dial(1e6) == HOST


def test_what_waits_when_we_become_complete_is_dialled_when_it_is_named_again_or_later() -> None:
    candidates = known(HOST, OTHER)
    candidates.postpone(10.0)
    assert candidates.next_to_dial(10.0 + POSTPONED_SECONDS - 1) is None
    assert candidates.add(OTHER, "tracker", 20.0)
    assert not candidates.add(OTHER, "tracker", 20.0)
    assert candidates.next_to_dial(20.0) == OTHER
    candidates.dialled(OTHER, 20.0)
    assert candidates.next_to_dial(20.0) is None
    assert candidates.next_to_dial(10.0 + POSTPONED_SECONDS) == HOST


def test_whom_a_person_named_is_not_postponed() -> None:
    candidates = known(HOST)
    candidates.add(OTHER, "person", 0.0)
    candidates.postpone(0.0)
    assert candidates.next_to_dial(0.0) == OTHER


def test_what_failed_before_it_was_postponed_is_not_dialled_sooner_when_it_is_named_again() -> None:
    candidates = known(HOST)
    candidates.dialled(HOST, 0.0)
    candidates.failed(HOST, 0.0)
    candidates.postpone(1.0)
    assert candidates.add(HOST, "tracker", 2.0)
    assert candidates.next_to_dial(FIRST_RETRY_SECONDS - 1) is None
    assert candidates.next_to_dial(FIRST_RETRY_SECONDS) == HOST


def test_only_what_waits_is_postponed() -> None:
    candidates = known(HOST, OTHER)
    candidates.dialled(HOST, 0.0)
    candidates.connected(HOST, 0.0)
    for _ in range(MAX_FAILURES):
        candidates.failed(OTHER, 0.0)
    candidates.postpone(1.0)
    assert not candidates.add(HOST, "tracker", 2.0)
    assert not candidates.add(OTHER, "tracker", 2.0)
    assert candidates.next_to_dial(1e9) is None


def test_a_host_alone_may_be_postponed() -> None:
    candidates = known(HOST, OTHER)
    candidates.postpone(0.0, HOST[0])
    assert candidates.next_to_dial(0.0) == OTHER
    candidates.dialled(OTHER, 0.0)
    assert candidates.next_to_dial(POSTPONED_SECONDS - 1) is None
    assert candidates.next_to_dial(POSTPONED_SECONDS) == HOST
