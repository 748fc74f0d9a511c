"""What comes before a connection's own bytes: a proxy's header, and then TLS."""

import gc
import os
import socket
import ssl
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit.certificates import Authority
from kit.clock import MovableClock, pass_time
from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import (
    Config,
    HandshakeTimeout,
    Limits,
    OsNetwork,
    ProxyProtocolError,
    RateLimit,
    RawServer,
)
from rawserver.engine.proxy_protocol import encode_v1, encode_v2
from rawserver.engine.tls import TlsClient, TlsServer

SOURCE, TARGET = ("192.0.2.7", 4242), ("198.51.100.1", 443)
V1, V2 = encode_v1(SOURCE, TARGET), encode_v2(SOURCE, TARGET)
both_versions = pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
SECONDS = 5.0


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    """One on a clock that a test moves, which leaves no descriptor open."""
    before = set(os.listdir("/dev/fd"))
    reported: list[str] = []
    server = RawServer(
        network=MovableClock(OsNetwork()),
        config=Config(handshake_timeout=SECONDS),
        errorfunc=lambda level, text: reported.append(text),
    )
    yield server
    server.close()
    assert not reported, "\n".join(reported)
    assert set(os.listdir("/dev/fd")) == before


Connect = Callable[..., socket.socket]


@pytest.fixture
def connect(raw_server: RawServer) -> Iterator[Connect]:
    """Listen with a handler, and connect a socket to it; they are closed after the test."""
    socks: list[socket.socket] = []

    def connect(handler: Any, context: Any = None, **options: Any) -> socket.socket:
        options.setdefault("proxy_protocol", True)
        port = options.pop("port", None) or listen(raw_server, handler, context, **options)
        sock = socket.create_connection(("127.0.0.1", port))
        sock.settimeout(10.0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socks.append(sock)
        return sock

    yield connect
    for sock in socks:
        sock.close()
    raw_server.close()


def opening(raw_server: RawServer, count: int = 1) -> None:
    """Turn until so many openings are under way."""
    run_until(
        raw_server,
        lambda: sum(one.admission.opening for one in raw_server.listeners()) == count,
    )


def settled(raw_server: RawServer) -> None:
    """Check that no opening and nobody else is counted, and that nothing is due."""
    for listener in raw_server.listeners():
        assert listener.admission.opening == 0
        assert listener.admission.total == 0
        assert not listener.admission._per_ip
        assert listener.account.connections == 0
    assert raw_server.connections() == []


@both_versions
def test_the_header_says_who_it_is_and_the_rest_is_its_own(
    raw_server: RawServer, connect: Connect, header: bytes
) -> None:
    callee = Recorder()
    sock = connect(callee)
    sock.sendall(header + b"the first bytes")
    run_until(raw_server, lambda: callee.data == b"the first bytes")
    connection = callee.connection
    assert (connection.ip, connection.port) == SOURCE
    assert connection.proxy_header is not None
    assert connection.proxy_header.destination == TARGET
    assert connection.received == len(b"the first bytes")
    connection.write(b"answer")
    assert sock.recv(100) == b"answer"


@both_versions
def test_byte_by_byte(raw_server: RawServer, connect: Connect, header: bytes) -> None:
    callee = Recorder()
    sock = connect(callee)
    opening(raw_server)
    for index in range(len(header)):
        assert not callee.connections
        sock.send(header[index : index + 1])
        turns = raw_server.times.turns
        raw_server.listen_once(0.05)
        assert raw_server.times.turns == turns + 1
    run_until(raw_server, lambda: callee.connections)
    sock.send(b"x")
    run_until(raw_server, lambda: callee.data == b"x")
    assert callee.connection.ip == SOURCE[0]


def test_half_a_header_does_not_spin(raw_server: RawServer, connect: Connect) -> None:
    sock = connect(Recorder())
    opening(raw_server)
    sock.send(V1[:10])
    raw_server.listen_once(0.05)
    polled: list[int] = []
    wire = next(one for one in raw_server._registered.values() if hasattr(one, "sock"))
    before = wire.above.ready
    wire.above.ready = lambda events: (polled.append(events), before(events))
    for _ in range(5):
        raw_server.listen_once(0.0)
    assert polled == []


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n\r\n", V1.replace(b"4242", b"port"), b"PROXY\r\n"]
)
def test_who_has_no_header_is_not_let_in(
    raw_server: RawServer, connect: Connect, said: bytes
) -> None:
    callee = Recorder()
    sock = connect(callee)
    sock.send(said)
    run_until(raw_server, lambda: callee.failures)
    assert callee.events == ["opening_failed"]
    assert isinstance(callee.failures[0][1], ProxyProtocolError)
    assert raw_server.listeners()[0].admission.refused == {"opening failed": 1}
    settled(raw_server)


@pytest.mark.parametrize("way", ["end", "reset"])
@pytest.mark.parametrize("said", [b"", V1[:7], V2[:13]])
def test_a_peer_that_goes_meanwhile(
    raw_server: RawServer, connect: Connect, said: bytes, way: str
) -> None:
    callee = Recorder()
    sock = connect(callee)
    sock.send(said)
    opening(raw_server)
    if way == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()
    run_until(raw_server, lambda: callee.failures)
    assert callee.events == ["opening_failed"]
    assert isinstance(callee.failures[0][1], OSError)
    settled(raw_server)


@pytest.mark.parametrize(
    ("tls", "said"), [(False, b""), (False, V1[:7]), (True, b""), (True, b"\x16\x03\x01")]
)
def test_it_has_to_be_over_in_time(
    raw_server: RawServer, connect: Connect, server: TlsServer, tls: bool, said: bytes
) -> None:
    callee = Recorder()
    sock = connect(callee, tls=server if tls else None, proxy_protocol=not tls)
    sock.send(said)
    opening(raw_server)
    pass_time(raw_server, SECONDS - 1.0)
    assert not callee.events
    pass_time(raw_server, 2.0)
    assert callee.events == ["opening_failed"]
    assert isinstance(callee.failures[0][1], HandshakeTimeout)
    settled(raw_server)


def test_one_time_is_for_both(raw_server: RawServer, connect: Connect, server: TlsServer) -> None:
    callee = Recorder()
    sock = connect(callee, tls=server)
    opening(raw_server)
    pass_time(raw_server, SECONDS - 1.0)
    sock.sendall(V1)
    pass_time(raw_server, 2.0)
    assert isinstance(callee.failures[0][1], HandshakeTimeout)
    assert "TLS" in str(callee.failures[0][1])
    settled(raw_server)


def test_after_it_no_time_is_left_over(raw_server: RawServer, connect: Connect) -> None:
    callee = Recorder()
    connect(callee).sendall(V1)
    run_until(raw_server, lambda: callee.connections)
    pass_time(raw_server, 3 * SECONDS)
    assert callee.connection.connected
    assert callee.events == ["external_connection_made"]


@pytest.mark.parametrize("stage", ["header", "handshake"])
@pytest.mark.parametrize("way", ["context", "close", "reset", "loop"])
def test_what_is_ended_meanwhile_leaves_nothing(
    raw_server: RawServer, connect: Connect, server: TlsServer, stage: str, way: str
) -> None:
    raw_server.add_context("a")
    callee = Recorder()
    sock = connect(callee, "a", tls=server, proxy_protocol=stage == "header")
    sock.send(b"PROXY" if stage == "header" else b"\x16\x03\x01")
    opening(raw_server)
    (connection,) = raw_server.connections()
    (listener,) = raw_server.listeners()
    if way == "context":
        raw_server.remove_context("a")
    elif way == "loop":
        raw_server.close()
    else:
        getattr(connection, way)()
        run_until(raw_server, lambda: callee.events)
        assert callee.events == ["opening_failed"]
    if way != "loop":
        for _ in range(3):
            raw_server.listen_once(0.0)
        assert not len(raw_server.tasks)
    assert not callee.connections
    assert connection.lost
    assert listener.admission.opening == listener.admission.total == 0
    # With what it had sent unread, it is reset.
    try:
        assert sock.recv(1) == b""
    except ConnectionResetError:
        pass


def test_who_stops_listening_still_gets_those_who_are_opening(
    raw_server: RawServer, connect: Connect
) -> None:
    callee = Recorder()
    sock = connect(callee)
    opening(raw_server)
    (listener,) = raw_server.listeners()
    raw_server.stop_listening(listener.serversocket)
    sock.sendall(V1)
    run_until(raw_server, lambda: callee.connections)
    assert listener.admission.opening == 0
    callee.connection.close()
    raw_server.listen_once(0.0)
    assert listener.admission.total == 0
    listener.serversocket.close()


@pytest.mark.parametrize("refusal", [b"", b"too many\n"])
def test_whom_the_proxy_tells_of_is_counted_and_refused_as_others_are(
    raw_server: RawServer, connect: Connect, refusal: bytes
) -> None:
    callee = Recorder()
    first = connect(callee, limits=Limits(per_ip=1, refusal=refusal))
    port = first.getpeername()[1]
    first.sendall(V1)
    run_until(raw_server, lambda: callee.connections)
    again, other = connect(callee, port=port), connect(callee, port=port)
    other.sendall(encode_v1(("192.0.2.8", 1), TARGET))
    run_until(raw_server, lambda: len(callee.connections) == 2)
    again.sendall(V1)
    (listener,) = raw_server.listeners()
    run_until(raw_server, lambda: listener.admission.refused)
    raw_server.listen_once(0.0)
    assert listener.admission.refused == {"per_ip": 1}
    assert listener.admission.total == 2
    if refusal:
        assert again.recv(100) == refusal
    assert again.recv(1) == b""
    assert callee.events.count("opening_failed") == 0
    callee.connections[0].close()
    raw_server.listen_once(0.0)
    third = connect(callee, port=port)
    third.sendall(V1)
    run_until(raw_server, lambda: len(callee.connections) == 3)


def test_openings_are_limited_by_themselves(raw_server: RawServer, connect: Connect) -> None:
    callee = Recorder()
    first = connect(callee, limits=Limits(opening=1))
    opening(raw_server)
    second = connect(callee, port=first.getpeername()[1])
    (listener,) = raw_server.listeners()
    run_until(raw_server, lambda: listener.admission.refused)
    assert listener.admission.refused == {"opening": 1}
    assert second.recv(1) == b""
    first.sendall(V1)
    run_until(raw_server, lambda: callee.connections)
    third = connect(callee, port=first.getpeername()[1])
    third.sendall(V1)
    run_until(raw_server, lambda: len(callee.connections) == 2)


def tls_over(sock: socket.socket, authority: Authority, raw_server: RawServer) -> ssl.SSLSocket:
    """Shake hands as a client while the loop turns."""
    context = ssl.create_default_context(cafile=str(authority.path))
    sock.setblocking(False)
    secure = context.wrap_socket(sock, server_hostname="example.org", do_handshake_on_connect=False)

    def is_over() -> bool:
        try:
            secure.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True

    run_until(raw_server, is_over)
    secure.setblocking(True)
    secure.settimeout(10.0)
    return secure


@both_versions
@pytest.mark.parametrize("rate", [None, 1e6])
def test_the_header_and_then_tls(
    raw_server: RawServer,
    connect: Connect,
    server: TlsServer,
    authority: Authority,
    header: bytes,
    rate: float | None,
) -> None:
    callee = Recorder(data_came_in=lambda connection: connection.write(b"answer"))
    limit = RateLimit(raw_server, rate, rate) if rate else None
    sock = connect(callee, tls=server, rate=limit)
    sock.sendall(header)
    with tls_over(sock, authority, raw_server) as secure:
        run_until(raw_server, lambda: callee.connections)
        assert callee.connection.ip == SOURCE[0]
        secure.sendall(b"secret")
        run_until(raw_server, lambda: callee.data == b"secret")
        assert secure.recv(100) == b"answer"
        callee.connection.close()
        raw_server.listen_once(0.0)
        assert secure.recv(100) == b""


@pytest.mark.parametrize("way", ["close", "reset", "close_when_flushed", "context"])
def test_ending_it_within_external_connection_made(
    raw_server: RawServer, server: TlsServer, client: TlsClient, way: str
) -> None:
    raw_server.add_context("a")

    def end(connection: Any) -> None:
        if way == "context":
            raw_server.remove_context("a")
        else:
            getattr(connection, way)()

    callee = Recorder(external_connection_made=end)
    port = listen(raw_server, callee, "a", tls=server)
    sock = socket.create_connection(("127.0.0.1", port))
    connection = raw_server.wrap_socket(sock, Recorder())
    raw_server.start_tls(connection, client, server_name="example.org")
    run_until(raw_server, lambda: connection.lost and callee.events[-1:] == ["connection_lost"])
    assert callee.events == ["external_connection_made", "connection_lost"]
    assert not [one for one in raw_server.connections() if one.listener is not None]


def test_a_header_of_the_proxys_own_keeps_the_address_of_the_socket(
    raw_server: RawServer, connect: Connect
) -> None:
    callee = Recorder()
    sock = connect(callee)
    sock.sendall(encode_v1(None, None))
    run_until(raw_server, lambda: callee.connections)
    assert callee.connection.ip == "127.0.0.1"
    assert callee.connection.port == sock.getsockname()[1]
    assert callee.connection.proxy_header is not None


def test_nothing_is_left_alive_of_one_that_failed(raw_server: RawServer, connect: Connect) -> None:
    class Handler(Recorder):
        pass

    def fail() -> weakref.ref[Handler]:
        handler = Handler()
        sock = connect(handler)
        sock.send(b"no header at all\r\n\r\n")
        run_until(raw_server, lambda: handler.failures)
        (listener,) = raw_server.listeners()
        listener.end()
        return weakref.ref(handler)

    gone = fail()
    raw_server.listen_once(0.0)
    gc.collect()
    assert gone() is None
