import errno
import itertools
import random
from dataclasses import dataclass

import pytest

from kit.hosts import code_of
from rawserver.simulation.port_table import (
    FIRST_EPHEMERAL,
    LAST_EPHEMERAL,
    PortTable,
    overlap,
)


@dataclass(eq=False)
class Holder:
    local: tuple[str, int] = ("", 0)
    v6only: bool = False
    reuse_address: bool = False
    reuse_port: bool = False
    is_listening: bool = False


def table(for_streams: bool = True) -> PortTable:
    return PortTable(random.Random(1), for_streams)


@pytest.mark.parametrize(
    ("ip", "other", "v6only", "overlaps"),
    [
        ("10.0.0.1", "10.0.0.1", False, True),
        ("10.0.0.1", "127.0.0.1", False, False),
        ("0.0.0.0", "10.0.0.1", False, True),
        ("0.0.0.0", "fd00::1", False, False),
        ("::", "10.0.0.1", False, True),
        ("::", "10.0.0.1", True, False),
        ("::", "fd00::1", True, True),
        ("::", "0.0.0.0", False, True),
    ],
)
def test_who_would_take_the_same(ip: str, other: str, v6only: bool, overlaps: bool) -> None:
    one, another = Holder((ip, 1), v6only=v6only), Holder((other, 1))
    assert overlap(one, another) == overlap(another, one) == overlaps


def test_a_port_is_had_once_until_it_is_given_back() -> None:
    ports = table()
    one, other = Holder(), Holder()
    ports.bind(one, "10.0.0.1", 80)
    assert code_of(ports.bind, other, "10.0.0.1", 80) == errno.EADDRINUSE
    ports.bind(other, "127.0.0.1", 80)
    assert ports.holders(80) == (one, other)
    ports.remove(one)
    ports.remove(one)
    ports.bind(one, "10.0.0.1", 80)
    ports.remove(one)
    ports.remove(other)
    assert ports.holders(80) == ()


def test_who_shares_a_port_is_alone_when_the_others_have_gone() -> None:
    ports = table()
    one, other, third = (Holder(reuse_port=True) for _ in range(3))
    for holder in (one, other, third):
        ports.bind(holder, "10.0.0.1", 80)
    ports.add(other)
    assert ports.holders(80) == (one, other, third)
    assert ports.alone == {}
    ports.remove(one)
    ports.remove(one)
    ports.remove(other)
    assert ports.alone == {80: third}
    ports.remove(other)
    assert ports.holders(80) == (third,)
    ports.bind(one, "10.0.0.1", 80)
    assert ports.holders(80) == (third, one)


@pytest.mark.parametrize("for_streams", [True, False])
@pytest.mark.parametrize("flags", list(itertools.product([False, True], repeat=5)))
def test_who_may_share_a_port(for_streams: bool, flags: tuple[bool, ...]) -> None:
    reuses, other_reuses, shares, other_shares, listens = flags
    ports = table(for_streams)
    one = Holder(reuse_address=reuses, reuse_port=shares, is_listening=listens)
    ports.bind(one, "10.0.0.1", 80)
    other = Holder(reuse_address=other_reuses, reuse_port=other_shares)
    may = (shares and other_shares) or (reuses and other_reuses and not (for_streams and listens))
    assert code_of(ports.bind, other, "10.0.0.1", 80) == (0 if may else errno.EADDRINUSE)


def test_ephemeral_ports_are_by_chance_and_all_of_them() -> None:
    ports = table()
    made = [Holder() for _ in range(LAST_EPHEMERAL - FIRST_EPHEMERAL + 1)]
    for one in made:
        ports.bind(one, "10.0.0.1", 0)
    numbers = [one.local[1] for one in made]
    assert len(set(numbers)) == len(made)
    assert set(numbers) == set(range(FIRST_EPHEMERAL, LAST_EPHEMERAL + 1))
    assert numbers[:3] != sorted(numbers[:3]) or numbers[0] != FIRST_EPHEMERAL
    one = Holder()
    assert code_of(ports.bind, one, "10.0.0.1", 0) == errno.EADDRINUSE
    assert one.local == ("10.0.0.1", 0)
    # One of another address may still share them.
    ports.bind(one, "10.0.0.2", 0)
