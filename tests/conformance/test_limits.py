"""Who is let in: in all, of one address, opening, of one context; and what others are told."""

from pathlib import Path

import pytest

from kit.joined import free_port, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import Limits, Listener, RawServer, SingleSocket, TooManyConnections
from rawserver.engine.tls import TlsClient, TlsServer


def settle(raw_server: RawServer) -> None:
    """Let a few turns pass in which something that must not come could come."""
    for _ in range(5):
        raw_server.listen_once(0.0)


def call(raw_server: RawServer, port: int, said: bytes = b"") -> Recorder:
    """Connect, and say something at once."""
    caller = Recorder()
    raw_server.start_connection(("127.0.0.1", port), caller).write(said)
    return caller


def limited(raw_server: RawServer, handler: Recorder, limits: Limits) -> tuple[int, Listener]:
    port = listen(raw_server, handler, limits=limits)
    return port, raw_server.listeners()[-1]


def proxied(raw_server: RawServer, handler: Recorder, limits: Limits) -> tuple[int, Listener]:
    port = listen(raw_server, handler, limits=limits, proxy_protocol=True)
    return port, raw_server.listeners()[-1]


def header(ip: str) -> bytes:
    """What a proxy says of somebody who came to it from an address."""
    family, local = ("TCP6", "::1") if ":" in ip else ("TCP4", "127.0.0.1")
    return f"PROXY {family} {ip} {local} 4000 80\r\n".encode()


def is_lost(caller: Recorder) -> bool:
    """Whether it has ended; one that is refused at once may never have seen itself connected."""
    return caller.events[-1:] in (["connection_lost"], ["connection_failed"])


def test_above_the_total_they_are_closed_until_one_ends(raw_server: RawServer) -> None:
    callee = Recorder()
    port, listener = limited(raw_server, callee, Limits(total=2))
    for _ in range(2):
        call(raw_server, port)
    run_until(raw_server, lambda: len(callee.connections) == 2)
    refused = call(raw_server, port)
    run_until(raw_server, lambda: is_lost(refused))
    assert refused.connection.error is None
    assert len(callee.connections) == 2
    assert listener.admission.refused == {"total": 1}
    callee.connections[0].close()
    call(raw_server, port)
    run_until(raw_server, lambda: len(callee.connections) == 3)


def test_above_the_total_they_may_wait_until_one_ends(raw_server: RawServer) -> None:
    callee = Recorder()
    port, listener = limited(raw_server, callee, Limits(total=2, when_full="wait"))
    callers = [call(raw_server, port, b"x") for _ in range(4)]
    run_until(raw_server, lambda: all(caller.connections for caller in callers))
    run_until(raw_server, lambda: callee.data == b"xx")
    settle(raw_server)
    began = raw_server.network.time()
    raw_server.listen_once(0.1)
    assert raw_server.network.time() - began > 0.05  # who waits does not make it spin
    assert len(callee.connections) == 2
    callee.connections[0].close()
    run_until(raw_server, lambda: callee.data == b"xxx")
    assert len(callee.connections) == 3
    callee.connections[1].close()
    run_until(raw_server, lambda: callee.data == b"xxxx")
    assert not listener.admission.refused


def test_of_one_address_only_so_many(raw_server: RawServer) -> None:
    callee = Recorder()
    port, listener = limited(raw_server, callee, Limits(per_ip=1))
    first = call(raw_server, port)
    run_until(raw_server, lambda: callee.connections)
    second = call(raw_server, port)
    run_until(raw_server, lambda: is_lost(second))
    assert listener.admission.refused == {"per_ip": 1}
    first.connection.close()
    run_until(raw_server, lambda: callee.connection.lost)
    call(raw_server, port)
    run_until(raw_server, lambda: len(callee.connections) == 2)


@pytest.mark.parametrize(
    ("first", "same", "other"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
    ],
)
def test_who_is_counted_as_one_behind_a_proxy(
    raw_server: RawServer, first: str, same: str, other: str
) -> None:
    callee = Recorder()
    port, listener = proxied(raw_server, callee, Limits(per_ip=1))
    call(raw_server, port, header(first))
    run_until(raw_server, lambda: callee.connections)
    refused = call(raw_server, port, header(same))
    run_until(raw_server, lambda: is_lost(refused))
    assert listener.admission.refused == {"per_ip": 1}
    call(raw_server, port, header(other))
    run_until(raw_server, lambda: len(callee.connections) == 2)
    assert [one.ip for one in callee.connections] == [first, other]
    callee.connections[0].close()
    call(raw_server, port, header(same))
    run_until(raw_server, lambda: len(callee.connections) == 3)


def test_only_so_many_are_opening_at_once(raw_server: RawServer) -> None:
    callee = Recorder()
    port, listener = proxied(raw_server, callee, Limits(opening=1))
    slow = call(raw_server, port)
    run_until(raw_server, lambda: listener.admission.opening == 1)
    refused = call(raw_server, port)
    run_until(raw_server, lambda: is_lost(refused))
    assert listener.admission.refused == {"opening": 1}
    slow.connection.write(header("192.0.2.1"))
    run_until(raw_server, lambda: callee.connections)
    assert listener.admission.opening == 0
    call(raw_server, port, header("192.0.2.1"))
    run_until(raw_server, lambda: len(callee.connections) == 2)


def test_those_that_are_opening_count_in_all(raw_server: RawServer) -> None:
    callee = Recorder()
    port, listener = proxied(raw_server, callee, Limits(total=1))
    call(raw_server, port)
    run_until(raw_server, lambda: listener.admission.opening == 1)
    refused = call(raw_server, port)
    run_until(raw_server, lambda: is_lost(refused))
    assert listener.admission.refused == {"total": 1}


def test_a_context_that_is_full_takes_nobody(raw_server: RawServer) -> None:
    raw_server.add_context("context", max_connections=1)
    callee = Recorder()
    port = listen(raw_server, callee, "context")
    [listener] = raw_server.listeners()
    call(raw_server, port)
    run_until(raw_server, lambda: callee.connections)
    refused = call(raw_server, port)
    run_until(raw_server, lambda: is_lost(refused))
    assert listener.admission.refused == {"context": 1}
    assert not raw_server.has_room("context")
    callee.connection.close()
    assert raw_server.has_room("context")


def test_a_connection_cannot_be_moved_to_or_started_in_a_full_context(
    raw_server: RawServer,
) -> None:
    raw_server.add_context("full", max_connections=1)
    callee, inside, outside, started = Recorder(), Recorder(), Recorder(), Recorder()
    port = listen(raw_server, callee)
    one = raw_server.start_connection(("127.0.0.1", port), inside, "full")
    other = raw_server.start_connection(("127.0.0.1", port), outside)
    run_until(raw_server, lambda: inside.connections and outside.connections)
    with pytest.raises(TooManyConnections):
        other.context = "full"
    assert other.context is None
    assert not other.lost
    raw_server.start_connection(("127.0.0.1", port), started, "full")
    run_until(raw_server, lambda: started.failures)
    assert isinstance(started.failures[0][1], TooManyConnections)
    assert started.events == ["connection_failed"]
    one.context = None
    other.context = "full"
    assert raw_server.connections("full") == [other]


@pytest.mark.parametrize("said", [b"", b"x" * 200_000])
def test_why_they_are_refused_arrives_whole(raw_server: RawServer, said: bytes) -> None:
    refusal = b"421 too many connections\r\n" * 100
    callee = Recorder()
    port, listener = limited(raw_server, callee, Limits(total=1, refusal=refusal))
    call(raw_server, port)
    run_until(raw_server, lambda: callee.connections)
    refused = [call(raw_server, port, said) for _ in range(3)]
    run_until(raw_server, lambda: all(is_lost(caller) for caller in refused))
    assert [caller.data for caller in refused] == [refusal] * 3
    assert all("eof_received" in caller.events for caller in refused)
    assert listener.admission.refused == {"total": 3}
    assert len(callee.connections) == 1


def test_statistics_tell_the_refused_by_the_reason(raw_server: RawServer) -> None:
    limits = Limits(total=1), Limits(per_ip=1)
    for one in limits:
        callee = Recorder()
        port, _ = limited(raw_server, callee, one)
        call(raw_server, port)
        run_until(raw_server, lambda callee=callee: callee.connections)
        refused = [call(raw_server, port) for _ in range(2)]
        run_until(raw_server, lambda refused=refused: all(map(is_lost, refused)))
    statistics = raw_server.statistics()
    assert statistics.refused == {"total": 2, "per_ip": 2}
    assert [one.refused for one in statistics.listeners] == [{"total": 2}, {"per_ip": 2}]


@pytest.mark.parametrize("when_full", ["refuse", "wait"])
def test_limits_may_be_replaced_while_it_listens(raw_server: RawServer, when_full: str) -> None:
    callee = Recorder()
    port, listener = limited(raw_server, callee, Limits(total=1, when_full=when_full))
    callers = [call(raw_server, port) for _ in range(2)]
    run_until(raw_server, lambda: all(caller.connections for caller in callers))
    run_until(raw_server, lambda: callee.connections)
    settle(raw_server)
    assert len(callee.connections) == 1
    listener.limits = Limits(total=3)
    call(raw_server, port)
    made = 2 if when_full == "refuse" else 3
    run_until(raw_server, lambda: len(callee.connections) == made)
    listener.limits = Limits(total=1)
    refused = call(raw_server, port)
    run_until(raw_server, lambda: is_lost(refused))
    assert len(callee.connections) == made
    assert not any(connection.lost for connection in callee.connections)


@pytest.mark.parametrize("when_full", ["refuse", "wait"])
def test_one_that_is_ended_from_within_makes_room_once(
    raw_server: RawServer, when_full: str
) -> None:
    """However a connection ends, it counts once; else the limit would grow, or shrink to none."""
    endings = [
        SingleSocket.close,
        SingleSocket.close_when_flushed,
        SingleSocket.reset,
        lambda connection: (connection.close(), connection.close()),
        lambda connection: connection.shutdown(),
    ]
    callee = Recorder()
    port, listener = limited(raw_server, callee, Limits(total=1, per_ip=1, when_full=when_full))
    for count, end in enumerate(endings, 1):
        call(raw_server, port)
        run_until(raw_server, lambda count=count: len(callee.connections) == count)
        assert listener.admission.total == 1
        end(callee.connections[-1])
        run_until(raw_server, lambda: callee.connections[-1].lost)
        assert listener.admission.total == 0
    assert not listener.admission.refused


def test_a_context_that_ends_gives_back_what_it_held(raw_server: RawServer) -> None:
    raw_server.add_context("context")
    callee = Recorder()
    port, listener = limited(raw_server, callee, Limits(total=1))
    call(raw_server, port)
    run_until(raw_server, lambda: callee.connections)
    callee.connection.context = "context"
    raw_server.remove_context("context")
    assert listener.admission.total == 0
    call(raw_server, port)
    run_until(raw_server, lambda: len(callee.connections) == 2)


def test_nobody_is_refused_where_nobody_listens(raw_server: RawServer) -> None:
    caller = call(raw_server, free_port(raw_server))
    run_until(raw_server, lambda: caller.failures)
    assert isinstance(caller.failures[0][1], ConnectionRefusedError)
    assert raw_server.statistics().refused == {}


def test_who_is_refused_at_a_tls_listener_is_not_spoken_to_in_the_clear(
    raw_server: RawServer, tls_server: TlsServer, tls_client: TlsClient
) -> None:
    callee, silent, refused = Recorder(), Recorder(), Recorder()
    limits = Limits(opening=1, refusal=b"421 too many\r\n")
    port = listen(raw_server, callee, limits=limits, tls=tls_server)
    [listener] = raw_server.listeners()
    raw_server.start_connection(("127.0.0.1", port), silent)
    run_until(raw_server, lambda: listener.admission.opening)
    raw_server.start_connection(("127.0.0.1", port), refused)
    run_until(raw_server, lambda: is_lost(refused))
    assert not refused.data
    assert listener.admission.refused == {"opening": 1}
    silent.connection.close()
    run_until(raw_server, lambda: not listener.admission.opening)
    joined = Recorder()
    raw_server.start_connection(("127.0.0.1", port), joined, tls=tls_client)
    run_until(raw_server, lambda: callee.connections)


def test_a_unix_sockets_peers_have_no_address_to_be_counted_by(
    raw_server: RawServer, tmp_path: Path
) -> None:
    sock = raw_server.create_unixserversocket(str(tmp_path / "s"))
    callee = Recorder()
    listener = raw_server.start_listening(sock, callee, limits=Limits(total=3, per_ip=1))
    for _ in range(3):
        raw_server.start_connection(str(tmp_path / "s"), Recorder())
    run_until(raw_server, lambda: len(callee.connections) == 3)
    refused = Recorder()
    raw_server.start_connection(str(tmp_path / "s"), refused)
    run_until(raw_server, lambda: is_lost(refused))
    assert listener.admission.refused == {"total": 1}
