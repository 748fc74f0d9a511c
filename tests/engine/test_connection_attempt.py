import errno
import math
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.joined import free_port, listen
from kit.loop import run_until
from kit.recorder import Recorder
from kit.scripted_network import NEVER, ScriptedNetwork, ipv4, ipv6, run
from rawserver import Config, OsNetwork, RawServer
from rawserver.engine.connection_attempt import MOST_RACING
from rawserver.engine.network import Socket, SocketAddress


class NamedAddresses(OsNetwork):
    """Resolves every name to the addresses that the test says."""

    def __init__(self, *addresses: SocketAddress) -> None:
        super().__init__(1)
        self.addresses = addresses

    def resolve(self, host: str, port: int, kind: int) -> list[SocketAddress]:
        return list(self.addresses)


def loopback(port: int) -> SocketAddress:
    return SocketAddress(socket.AF_INET, ("127.0.0.1", port))


def test_the_addresses_of_a_name_are_tried_in_turn() -> None:
    network = NamedAddresses()
    raw_server = RawServer(network=network)
    caller, callee = Recorder(), Recorder()
    closed, other_closed = free_port(raw_server), free_port(raw_server)
    network.addresses = (
        loopback(closed),
        loopback(other_closed),
        loopback(listen(raw_server, callee)),
    )
    connection = raw_server.start_connection(("a.name", 1), caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_made"]
    assert connection.port == network.addresses[2].address[1]
    raw_server.close()


def test_the_last_address_says_why_it_failed() -> None:
    network = NamedAddresses()
    raw_server = RawServer(network=network)
    network.addresses = (loopback(free_port(raw_server)),)
    caller = Recorder()
    connection = raw_server.start_connection(("a.name", 1), caller)
    run_until(raw_server, lambda: caller.events)
    ((address, error),) = caller.failures
    assert address == ("a.name", 1)
    assert isinstance(error, ConnectionRefusedError)
    assert connection.error is error
    assert connection.lost
    raw_server.close()


def test_a_name_that_is_not_answered_does_not_hold_up_work() -> None:
    answer = threading.Event()

    class Unanswered(OsNetwork):
        def resolve(self, host: str, port: int, kind: int) -> list[SocketAddress]:
            answer.wait(20.0)
            return []

    raw_server = RawServer(network=Unanswered(1))
    caller = Recorder()
    raw_server.start_connection(("a.name", 1), caller)
    results: list[int] = []
    raw_server.start_work(int, ("7",), lambda result, error: results.append(result))
    run_until(raw_server, lambda: results)
    assert results == [7]
    assert not caller.events
    answer.set()
    run_until(raw_server, lambda: caller.events)
    raw_server.close()


def test_a_name_without_an_address_fails() -> None:
    raw_server = RawServer(network=NamedAddresses())
    caller = Recorder()
    raw_server.start_connection(("a.name", 1), caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.failures[0][1].errno == errno.EADDRNOTAVAIL  # type: ignore[attr-defined]
    raw_server.close()


@pytest.mark.parametrize(
    "address", [("127.0.0.1", 70_000), ("\0", 1), ("x" * 300, 1), "/" + "x" * 300, "/no/such"]
)
def test_an_address_that_cannot_be_fails_like_any_other(
    raw_server: RawServer, address: tuple[str, int] | str
) -> None:
    caller = Recorder()
    raw_server.start_connection(address, caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_failed"]
    assert caller.failures[0][0] == address


def test_a_unix_listener_with_a_full_backlog_fails_it_instead_of_spinning(
    raw_server: RawServer, tmp_path: Path
) -> None:
    path = str(tmp_path / "s")
    serversocket = raw_server.create_unixserversocket(path, backlog=0)
    waiting = []
    try:
        for _ in range(20):
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            waiting.append(sock)
            if sock.connect_ex(path):
                break
        caller = Recorder()
        raw_server.start_connection(path, caller)
        run_until(raw_server, lambda: caller.events, 2.0)
        assert caller.events == ["connection_failed"]
    finally:
        for sock in [*waiting, serversocket]:
            sock.close()


def test_an_address_that_never_answers_leaves_time_for_the_next() -> None:
    network = NamedAddresses()
    raw_server = RawServer(network=network)
    # Nobody takes from this listener: when its backlog is full it answers no more.
    silent = raw_server.create_serversocket(0, "127.0.0.1", backlog=0)
    waiting = [network.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(4)]
    for sock in waiting:
        sock.connect_ex(silent.getsockname())
    caller = Recorder()
    port = listen(raw_server, Recorder())
    network.addresses = (loopback(silent.getsockname()[1]), loopback(port))
    connection = raw_server.start_connection(("a.name", 1), caller, connect_timeout=0.4)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_made"]
    assert connection.port == port
    for _ in range(3):
        raw_server.listen_once(0.1)
    assert caller.events == ["connection_made"]
    network.addresses = (network.addresses[0],) * 2
    failing = Recorder()
    raw_server.start_connection(("a.name", 1), failing, connect_timeout=0.1)
    run_until(raw_server, lambda: failing.events)
    assert isinstance(failing.failures[0][1], TimeoutError)
    for sock in [*waiting, silent]:
        sock.close()
    raw_server.close()


def test_a_port_is_not_connected_to_itself() -> None:
    class Unlucky(OsNetwork):
        """Its system chooses for a connection the very port that it is to reach."""

        port = 0

        def socket(self, family: int, kind: int) -> Socket:
            sock = super().socket(family, kind)
            if self.port:
                sock.bind(("127.0.0.1", self.port))
            return sock

    network = Unlucky(1)
    raw_server = RawServer(network=network)
    network.port = free_port(raw_server)
    caller = Recorder()
    raw_server.start_connection(("127.0.0.1", network.port), caller)
    run_until(raw_server, lambda: caller.events)
    assert caller.events == ["connection_failed"]
    assert isinstance(caller.failures[0][1], ConnectionRefusedError)
    raw_server.close()


# Over a network that answers as it is told, on a clock that stands still.


class Scripted:
    """A RawServer on a scripted network."""

    def __init__(self, **config: Any) -> None:
        self.network = ScriptedNetwork()
        self.faults: list[str] = []
        self.raw_server = RawServer(
            network=self.network,  # type: ignore[arg-type]
            config=Config(**config),
            errorfunc=lambda level, text: self.faults.append(text),
        )
        self.limit = self.raw_server.half_open_limit

    def name(self, *addresses: SocketAddress) -> tuple[str, int]:
        self.network.names["a.name"] = list(addresses)
        return "a.name", 80

    def start(self, address: tuple[str, int], *args: Any, **options: Any) -> Recorder:
        handler = Recorder()
        handler.started = self.raw_server.start_connection(  # type: ignore[attr-defined]
            address, handler, *args, **options
        )
        return handler

    def run(self, seconds: float) -> None:
        run(self.raw_server, seconds)

    def finish(self) -> None:
        self.raw_server.close()
        assert not self.faults, self.faults
        assert not self.network.open
        assert (self.limit.half_open, self.limit.waiting) == (0, 0)


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.finish()


def why(handler: Recorder) -> BaseException:
    assert handler.events == ["connection_failed"]
    return handler.failures[0][1]


def test_the_next_address_begins_beside_one_that_does_not_answer(scripted: Scripted) -> None:
    network = scripted.network
    address = scripted.name(ipv6(1), ipv6(2), network.answers(ipv4(1), 0.1))
    handler = scripted.start(address)
    scripted.run(0.3)
    assert network.begun_after == [(0.0, "2001:db8::1"), (0.25, "192.0.2.1")]
    assert (scripted.limit.half_open, len(network.open)) == (1, 3)
    scripted.run(0.1)
    assert handler.events == ["connection_made"]
    assert handler.connection.ip == "192.0.2.1"
    assert [sock.closed for sock in network.sockets] == [True, False]
    assert scripted.limit.half_open == 0
    scripted.run(60.0)
    assert len(network.begun) == 2
    assert handler.events == ["connection_made"]


def test_a_slow_first_one_may_still_win(scripted: Scripted) -> None:
    network = scripted.network
    handler = scripted.start(scripted.name(network.answers(ipv6(1), 0.6), ipv4(1), ipv6(2)))
    scripted.run(1.0)
    assert handler.connection.ip == "2001:db8::1"
    assert [sock.closed for sock in network.sockets] == [False, True, True]


def test_one_that_fails_is_followed_at_once(scripted: Scripted) -> None:
    network = scripted.network
    handler = scripted.start(
        scripted.name(
            network.answers(ipv6(1), 0, errno.ENETUNREACH),
            network.answers(ipv4(1), 0.1, errno.ECONNREFUSED),
            network.answers(ipv4(2), 0.1),
        )
    )
    scripted.run(0.3)
    assert [time for time, _ in network.begun_after] == [0.0, 0.0, 0.1]
    assert handler.connection.ip == "192.0.2.2"


def test_the_one_that_follows_has_its_whole_delay(scripted: Scripted) -> None:
    network = scripted.network
    refused = network.answers(ipv6(1), 0.1, errno.ECONNREFUSED)
    scripted.start(scripted.name(refused, ipv4(1), ipv6(2)))
    scripted.run(0.5)
    assert [time for time, _ in network.begun_after] == [0.0, 0.1, 0.35]


def test_when_it_is_made_nothing_is_due_any_more(scripted: Scripted) -> None:
    address = scripted.name(scripted.network.answers(ipv6(1), 0.1), ipv4(1))
    handler = scripted.start(address, idle_timeout=math.inf)
    scripted.run(0.2)
    assert handler.events == ["connection_made"]
    assert not len(scripted.raw_server.tasks)


def test_all_that_fail_in_one_turn_are_one_failure(scripted: Scripted) -> None:
    network = scripted.network
    addresses = (
        network.answers(ipv6(1), 1.0, errno.ECONNREFUSED),
        network.answers(ipv4(1), 0.75, errno.EHOSTUNREACH),
        network.answers(ipv6(2), 0.5, errno.EHOSTUNREACH),
    )
    handler = scripted.start(scripted.name(*addresses))
    scripted.run(2.0)
    error = why(handler)
    assert isinstance(error, ConnectionRefusedError)
    assert all(one.address[0] in str(error) for one in addresses)
    assert handler.started.error is error  # type: ignore[attr-defined]


def test_two_that_connect_in_one_turn_are_one_connection(scripted: Scripted) -> None:
    network = scripted.network
    handler = scripted.start(
        scripted.name(network.answers(ipv6(1), 0.5), network.answers(ipv4(1), 0.25))
    )
    scripted.run(1.0)
    assert handler.events == ["connection_made"]
    assert [sock.closed for sock in network.sockets] == [False, True]


def test_one_that_connects_and_one_that_fails_in_one_turn_are_one_connection(
    scripted: Scripted,
) -> None:
    network = scripted.network
    refused = network.answers(ipv6(1), 0.5, errno.ECONNREFUSED)
    handler = scripted.start(scripted.name(refused, network.answers(ipv4(1), 0.25), ipv6(2)))
    scripted.run(60.0)
    assert handler.events == ["connection_made"]
    assert handler.connection.ip == "192.0.2.1"


def test_a_failure_in_the_turn_in_which_the_next_is_due_begins_one_more(
    scripted: Scripted,
) -> None:
    network = scripted.network
    refused = network.answers(ipv6(1), 0.25, errno.ECONNREFUSED)
    handler = scripted.start(
        scripted.name(refused, ipv4(1), network.answers(ipv6(2), 0.1), ipv4(2))
    )
    scripted.run(0.3)
    assert [time for time, _ in network.begun_after] == [0.0, 0.25, 0.25]
    scripted.run(1.0)
    assert handler.connection.ip == "2001:db8::2"
    assert len(network.begun) == 3


def test_one_closed_while_it_races_is_told_once_and_leaves_nothing(scripted: Scripted) -> None:
    network = scripted.network
    answering = network.answers(ipv4(1), 0.25)
    handler = scripted.start(scripted.name(network.answers(ipv6(1), 0.5), answering))
    # In the very turn in which both connect, before either is heard of.
    scripted.raw_server.add_task(handler.started.close, 0.5)  # type: ignore[attr-defined]
    scripted.run(2.0)
    assert isinstance(why(handler), ConnectionAbortedError)
    assert all(sock.closed for sock in network.sockets)


def test_a_context_removed_while_it_races_ends_it(scripted: Scripted) -> None:
    network, raw_server = scripted.network, scripted.raw_server
    raw_server.add_context("mine")
    answering = network.answers(ipv4(1), 0.25)
    handler = scripted.start(scripted.name(network.answers(ipv6(1), 0.5), answering), "mine")
    raw_server.add_task(raw_server.remove_context, 0.5, ("mine",))
    scripted.run(2.0)
    assert isinstance(why(handler), ConnectionAbortedError)
    assert all(sock.closed for sock in network.sockets)


def test_the_time_out_is_for_all_of_it_and_names_what_was_tried(scripted: Scripted) -> None:
    network = scripted.network
    refused = network.answers(ipv6(1), 0.1, errno.ECONNREFUSED)
    network.look_up_seconds = 1.0
    handler = scripted.start(scripted.name(refused, ipv4(1)), connect_timeout=3.0)
    scripted.run(2.9)
    assert not handler.events
    scripted.run(0.2)
    error = why(handler)
    assert isinstance(error, TimeoutError)
    assert "within 3 seconds" in str(error)
    assert "192.0.2.1:80: no answer" in str(error)
    assert "[2001:db8::1]:80: Connection refused" in str(error)


def test_where_time_is_short_every_address_still_gets_a_share(scripted: Scripted) -> None:
    network = scripted.network
    address = scripted.name(ipv6(1), ipv6(2), ipv6(3), network.answers(ipv6(4), 0.05))
    handler = scripted.start(address, connect_timeout=0.4)
    scripted.run(0.4)
    assert handler.events == ["connection_made"]


def test_without_a_time_out_it_waits_on(scripted: Scripted) -> None:
    slow = scripted.network.answers(ipv4(1), 5000.0)
    handler = scripted.start(scripted.name(slow), connect_timeout=math.inf)
    scripted.run(5001.0)
    assert handler.events == ["connection_made"]


def test_a_name_with_many_dead_addresses_keeps_few_sockets(scripted: Scripted) -> None:
    network = scripted.network
    dead = [ipv6(number) for number in range(3 * MOST_RACING)]
    handler = scripted.start(scripted.name(*dead, network.answers(ipv6(99), 0.2)))
    most = 0
    for _ in range(100):
        scripted.run(0.1)
        most = max(most, sum(not sock.closed for sock in network.sockets))
    assert most == MOST_RACING
    assert handler.connection.ip == "2001:db8::99"
    # One that a lost SYN delays is not given up before the SYN is sent again.
    assert network.begun[MOST_RACING][0] - network.begun[0][0] >= 1.5


def test_descriptors_that_run_out_within_a_race_do_not_end_it(scripted: Scripted) -> None:
    network = scripted.network
    network.most_open = len(network.open) + 1
    handler = scripted.start(scripted.name(network.answers(ipv6(1), 0.5), ipv4(1), ipv4(2)))
    scripted.run(1.0)
    assert handler.events == ["connection_made"]


@pytest.mark.parametrize("room", [0, 1])
def test_a_poller_without_room_fails_it(scripted: Scripted, room: int) -> None:
    network, poller = scripted.network, scripted.raw_server.poller
    register, registered = poller.register, [0]

    def register_few(descriptor: int, events: int) -> None:
        if registered[0] == room:
            raise OSError(errno.ENOSPC, "no room")
        registered[0] += 1
        register(descriptor, events)

    poller.register = register_few  # type: ignore[method-assign]
    handler = scripted.start(network.answers(ipv4(1), 0.1).address)
    scripted.run(1.0)
    assert why(handler).errno == errno.ENOSPC  # type: ignore[attr-defined]
    assert handler.started.lost  # type: ignore[attr-defined]
    assert all(sock.closed for sock in network.sockets)


# Look-ups.


def test_a_look_up_that_takes_too_long_fails_in_time(scripted: Scripted) -> None:
    scripted.network.look_up_seconds = 40.0
    handler = scripted.start(scripted.name(ipv4(1)), connect_timeout=2.0)
    scripted.run(2.0)
    assert isinstance(why(handler), TimeoutError)
    scripted.run(60.0)
    assert not scripted.network.begun
    assert len(handler.events) == 1


def test_a_connection_closed_meanwhile_drops_its_answer(scripted: Scripted) -> None:
    scripted.network.look_up_seconds = 1.0
    handler = scripted.start(scripted.name(ipv4(1)))
    scripted.run(0.5)
    handler.started.close()  # type: ignore[attr-defined]
    scripted.run(5.0)
    why(handler)
    assert not scripted.network.begun


def test_a_context_removed_meanwhile_ends_it_though_an_equal_one_begins(
    scripted: Scripted,
) -> None:
    scripted.network.look_up_seconds = 1.0
    scripted.raw_server.add_context("mine")
    handler = scripted.start(scripted.name(ipv4(1)), "mine")
    scripted.run(0.5)
    scripted.raw_server.remove_context("mine")
    scripted.raw_server.add_context("mine")
    scripted.run(5.0)
    why(handler)
    assert not scripted.network.begun


def test_a_connection_takes_its_look_up_along_to_another_context(scripted: Scripted) -> None:
    scripted.network.look_up_seconds = 1.0
    for context in ("old", "new"):
        scripted.raw_server.add_context(context)
    handler = scripted.start(scripted.name(scripted.network.answers(ipv4(1), 0.1)), "old")
    scripted.run(0.5)
    handler.started.context = "new"  # type: ignore[attr-defined]
    scripted.raw_server.remove_context("old")
    scripted.run(1.0)
    assert handler.events == ["connection_made"]


def test_a_name_that_is_not_there_says_so(scripted: Scripted) -> None:
    handler = scripted.start(("no.such.name", 80))
    scripted.run(0.1)
    assert isinstance(why(handler), socket.gaierror)


def test_when_no_thread_can_be_had_for_a_look_up_it_fails(scripted: Scripted) -> None:
    def no_thread(func: object) -> None:
        raise RuntimeError("can't start new thread")

    scripted.network.start_look_up = no_thread  # type: ignore[method-assign, assignment]
    handler = scripted.start(("a.name", 80))
    assert not handler.events
    scripted.run(0.1)
    assert "new thread" in str(why(handler))


# The local address.


def test_addresses_of_another_family_than_the_bound_one_are_passed_by(scripted: Scripted) -> None:
    network = scripted.network
    address = scripted.name(ipv6(1), network.answers(ipv4(1), 0.1))
    handler = scripted.start(address, bind="192.0.2.77")
    scripted.run(0.2)
    assert handler.events == ["connection_made"]
    assert network.begun_after == [(0.0, "192.0.2.1")]
    assert network.sockets[0].local == ("192.0.2.77", 0)


@pytest.mark.parametrize(
    ("bind", "target", "text"),
    [
        ("192.0.2.77", ipv6(1), "bound to 192.0.2.77, and the peer has no IPv4 address"),
        ("2001:db8::77", ipv4(1), "bound to 2001:db8::77, and the peer has no IPv6 address"),
    ],
)
def test_where_no_address_fits_it_says_so(
    scripted: Scripted, bind: str, target: SocketAddress, text: str
) -> None:
    handlers = [
        scripted.start(scripted.name(target), bind=bind),
        scripted.start(target.address[:2], bind=bind),
    ]
    assert not any(handler.events for handler in handlers)
    scripted.run(0.1)
    for handler in handlers:
        assert why(handler).errno == errno.EAFNOSUPPORT  # type: ignore[attr-defined]
        assert text in str(why(handler))


def test_a_bind_that_is_no_address_is_the_callers_fault(scripted: Scripted) -> None:
    with pytest.raises(ValueError, match="is no address"):
        scripted.start(("192.0.2.1", 80), bind="eth0")


# Turns.


def test_those_beyond_the_limit_wait_and_their_time_does_not_run() -> None:
    scripted = Scripted(max_half_open=1, connect_timeout=10.0)
    first = scripted.start(ipv4(1).address)
    second = scripted.start(ipv4(2).address)
    last = scripted.start(scripted.network.answers(ipv4(3), 9.0).address)
    scripted.run(1.0)
    assert (scripted.limit.half_open, scripted.limit.waiting) == (1, 2)
    scripted.run(19.5)
    assert isinstance(why(first), TimeoutError)
    assert isinstance(why(second), TimeoutError)
    assert not last.events
    scripted.run(9.0)
    assert last.events == ["connection_made"]
    assert scripted.network.begun_after == [
        (0.0, "192.0.2.1"), (10.0, "192.0.2.2"), (20.0, "192.0.2.3"),
    ]  # fmt: skip
    scripted.finish()


def test_a_look_up_counts_as_connecting_but_not_as_half_open() -> None:
    scripted = Scripted(max_half_open=1, connect_timeout=3.0)
    scripted.network.look_up_seconds = 2.0
    named = scripted.start(scripted.name(ipv4(2)))
    scripted.start(ipv4(1).address)
    scripted.run(2.5)
    assert (scripted.limit.half_open, scripted.limit.waiting) == (1, 1)
    scripted.run(1.4)  # the first had its three seconds, the second one of them
    assert not named.events
    scripted.run(0.2)
    assert isinstance(why(named), TimeoutError)
    scripted.finish()


def test_a_removed_context_takes_its_waiting_ones_along() -> None:
    scripted = Scripted(max_half_open=1)
    scripted.raw_server.add_context("mine")
    mine = [scripted.start(ipv4(number).address, "mine") for number in range(3)]
    other = scripted.start(ipv4(9).address)
    scripted.run(0.1)
    scripted.raw_server.remove_context("mine")
    scripted.run(0.1)
    assert all(isinstance(why(handler), ConnectionAbortedError) for handler in mine)
    assert not other.events
    assert [ip for _, ip in scripted.network.begun_after] == ["192.0.2.0", "192.0.2.9"]
    assert (scripted.limit.half_open, scripted.limit.waiting) == (1, 0)
    scripted.finish()


def test_an_urgent_one_goes_ahead_and_contexts_take_turns() -> None:
    scripted = Scripted(max_half_open=1, connect_timeout=1.0)
    for context in ("many", "few"):
        scripted.raw_server.add_context(context)
    for number in range(1, 4):
        scripted.start(ipv4(number).address, "many")
    scripted.start(ipv4(4).address, "few")
    scripted.start(ipv4(5).address, "few", urgent=True)
    scripted.run(6.0)
    assert [ip[-1] for _, ip in scripted.network.begun_after] == ["5", "1", "4", "2", "3"]
    scripted.finish()


def test_when_the_loop_ends_those_that_wait_are_told_too() -> None:
    scripted = Scripted(max_half_open=1)
    handlers = [scripted.start(ipv4(number).address) for number in range(3)]
    scripted.run(0.1)
    scripted.finish()
    assert all(isinstance(why(handler), ConnectionAbortedError) for handler in handlers)
    assert len(scripted.network.begun) == 1


OUTCOMES = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0, NEVER]),
        st.sampled_from([0, 0, errno.ECONNREFUSED, errno.ENETUNREACH]),
    ),
    max_size=12,
)


@given(
    st.lists(OUTCOMES, min_size=1, max_size=4),
    st.integers(1, 3),
    st.sampled_from([None, 0.0, 0.25, 0.5, 1.0]),
    st.sampled_from([None, 0.0, 0.25, 0.5, 0.75, 1.0]),
)
def test_whatever_the_addresses_do_there_is_one_outcome_and_nothing_is_left(
    races: list[list[tuple[bool, float, int]]],
    most: int,
    removed_after: float | None,
    closed_after: float | None,
) -> None:
    scripted = Scripted(max_half_open=most, connect_timeout=1.5)
    scripted.raw_server.add_context("mine")
    handlers: list[Recorder] = []
    for number, race in enumerate(races):
        host = f"name{number}"
        scripted.network.names[host] = [
            scripted.network.answers((ipv6 if six else ipv4)(16 * number + place), seconds, code)
            for place, (six, seconds, code) in enumerate(race)
        ]
        handlers.append(scripted.start((host, 80), "mine" if number % 2 else None))
    if closed_after is not None:
        scripted.raw_server.add_task(handlers[0].started.close, closed_after)  # type: ignore[attr-defined]
    if removed_after is not None:
        scripted.raw_server.add_task(scripted.raw_server.remove_context, removed_after, ("mine",))
    scripted.run(8.0)
    outcomes = {"connection_made", "connection_failed"}
    for handler in handlers:
        assert handler.events[0] in outcomes
        assert handler.events[1:] in ([], ["connection_lost"])
    assert (scripted.limit.half_open, scripted.limit.waiting) == (0, 0)
    connected = sum(handler.started.connected for handler in handlers)  # type: ignore[attr-defined]
    assert sum(not sock.closed for sock in scripted.network.sockets) == connected
    scripted.finish()
