from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver import TooManyConnections
from rawserver.engine.account import Account


def test_it_is_full_from_as_many_as_may_come() -> None:
    account = Account(max_connections=2)
    one, other = (SimpleNamespace(received=0, sent=0) for _ in range(2))
    account.check_room()
    account.enter(one)
    assert not account.is_full
    account.enter(other)
    assert account.is_full
    with pytest.raises(TooManyConnections):
        account.check_room()
    account.leave(one)
    account.check_room()
    assert (account.connections, account.made) == (1, 2)


@pytest.mark.parametrize("limit", [0, None])
def test_none_may_come_at_zero_and_any_number_without_a_limit(limit: int | None) -> None:
    assert Account(max_connections=limit).is_full == (limit == 0)


def test_bytes_are_those_that_passed_while_it_was_here() -> None:
    one, other = Account(), Account()
    connection = SimpleNamespace(received=0, sent=0)
    one.enter(connection)
    connection.received, connection.sent = 100, 10
    one.leave(connection)
    other.enter(connection)
    connection.received, connection.sent = 107, 13
    other.leave(connection)
    assert (one.received, one.sent) == (100, 10)
    assert (other.received, other.sent) == (7, 3)
    assert one.connections == other.connections == 0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 999)), max_size=60))
def test_however_connections_move_all_accounts_have_all_bytes(
    steps: list[tuple[int, int, int]],
) -> None:
    accounts = [Account() for _ in range(4)]
    connections = [SimpleNamespace(received=0, sent=0, account=accounts[0]) for _ in range(3)]
    for connection in connections:
        accounts[0].enter(connection)
    for which, where, count in steps:
        connection = connections[which]
        connection.received += count
        connection.sent += 2 * count
        connection.account.leave(connection)
        accounts[where].enter(connection)
        connection.account = accounts[where]
    for account in accounts:
        live = [one for one in connections if one.account is account]
        assert account.connections == len(live)
        assert account.received + sum(one.received for one in live) >= 0
    for connection in connections:
        connection.account.leave(connection)
    passed = sum(count for _, _, count in steps)
    assert sum(account.received for account in accounts) == passed
    assert sum(account.sent for account in accounts) == 2 * passed
    assert not any(account.connections for account in accounts)
