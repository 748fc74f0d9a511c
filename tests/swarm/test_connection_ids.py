import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.connection_ids import (
    ID_LENGTH,
    MOST_KNOWN,
    SECRET_LENGTH,
    SLOT_SECONDS,
    ConnectionIds,
)

SECRET = bytes(range(SECRET_LENGTH))
HERE, THERE = b"\xc0\0\2\1", b"\xc0\0\2\2"
IPS = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)


def at(now: float, secret: bytes = SECRET) -> ConnectionIds:
    ids = ConnectionIds(secret)
    ids.set_time(now)
    return ids


@given(IPS, st.floats(0, 1e9), st.floats(0, 120))
def test_an_id_is_good_for_two_minutes_and_needs_no_memory(
    ip: bytes, given_at: float, later: float
) -> None:
    connection_id = at(given_at).issue(ip)
    assert len(connection_id) == ID_LENGTH
    assert at(given_at + later).accepts(connection_id, ip)


@given(IPS, st.floats(0, 1e6))
def test_an_id_is_not_good_for_ever(ip: bytes, given_at: float) -> None:
    connection_id = at(given_at).issue(ip)
    for times in (2, 3, 4, 100):
        assert not at(given_at + times * SLOT_SECONDS).accepts(connection_id, ip)


@given(IPS, IPS, st.integers(0, 63))
def test_an_id_is_good_for_its_address_alone_and_to_the_bit(
    ip: bytes, other: bytes, bit: int
) -> None:
    ids = at(1000.0)
    connection_id = ids.issue(ip)
    assert ids.accepts(connection_id, other) == (ip == other)
    changed = int.from_bytes(connection_id, "big") ^ 1 << bit
    assert not ids.accepts(changed.to_bytes(ID_LENGTH, "big"), ip)


@given(st.binary(min_size=ID_LENGTH, max_size=ID_LENGTH))
def test_nobody_guesses_one(guess: bytes) -> None:
    assert not at(1000.0).accepts(guess, HERE)


def test_another_secret_gives_other_ids() -> None:
    other = bytes(SECRET_LENGTH)
    assert not at(1000.0, other).accepts(at(1000.0).issue(HERE), HERE)


def test_those_of_an_hour_are_all_different() -> None:
    ids = ConnectionIds(SECRET)
    found = set()
    for minutes in range(0, 60, 2):
        ids.set_time(minutes * 60.0)
        found |= {ids.issue(HERE), ids.issue(THERE)}
    assert len(found) == 60


def test_one_instance_follows_the_time() -> None:
    ids = at(100.0)
    connection_id = ids.issue(HERE)
    assert ids.accepts(connection_id, HERE)
    for now, good in ((119.0, True), (239.0, True), (240.0, False), (360.0, False)):
        ids.set_time(now)
        assert ids.accepts(connection_id, HERE) == good


def test_who_forges_addresses_does_not_make_it_grow() -> None:
    ids = at(1000.0)
    first = ids.issue(HERE)
    for number in range(MOST_KNOWN + 10):
        ids.issue(number.to_bytes(4, "big"))
        assert len(ids._known) <= MOST_KNOWN
    assert ids.issue(HERE) == first


def test_a_secret_that_is_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ConnectionIds(b"secret")
