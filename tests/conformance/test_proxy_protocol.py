"""A listener behind a proxy: whose a connection is, is what the proxy says."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from kit.joined import listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer
from rawserver.engine.proxy_protocol import ProxyProtocolError

V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n"
V2_START = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command: int, family: int, addresses: bytes) -> bytes:
    return V2_START + struct.pack("!BBH", command, family, len(addresses)) + addresses


V2 = v2(0x21, 0x11, bytes([192, 0, 2, 7, 192, 0, 2, 1]) + struct.pack("!HH", 4711, 80))
V2_IPV6 = v2(
    0x21,
    0x21,
    socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + struct.pack("!HH", 4711, 80),
)
LOCAL = v2(0x20, 0x00, b"")


def call(raw_server: RawServer, callee: Recorder, said: bytes, **options: Any) -> Recorder:
    """Connect as a proxy does, and say something at once."""
    port = listen(raw_server, callee, proxy_protocol=True, **options)
    caller = Recorder()
    raw_server.start_connection(("127.0.0.1", port), caller).write(said)
    return caller


@pytest.mark.parametrize(
    ("header", "ip"), [(V1, "192.0.2.7"), (V2, "192.0.2.7"), (V2_IPV6, "2001:db8::7")]
)
def test_it_has_the_address_that_the_proxy_tells(
    raw_server: RawServer, header: bytes, ip: str
) -> None:
    callee = Recorder()
    call(raw_server, callee, header + b"hello")  # in one segment
    run_until(raw_server, lambda: callee.data)
    assert callee.data == b"hello"
    assert (callee.connection.ip, callee.connection.port) == (ip, 4711)
    assert callee.connection.proxy_header is not None
    assert callee.connection.proxy_header.source == (ip, 4711)
    assert callee.connection.received == len(b"hello")
    assert callee.events == ["external_connection_made", "data_came_in"]


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
def test_one_of_the_proxys_own_keeps_its_address(raw_server: RawServer, header: bytes) -> None:
    callee = Recorder()
    caller = call(raw_server, callee, header + b"health?")
    run_until(raw_server, lambda: callee.data)
    assert callee.connection.ip == "127.0.0.1"
    assert callee.connection.port == caller.connection.getsockname()[1]
    callee.connection.write(b"well")
    run_until(raw_server, lambda: caller.data == b"well")


@pytest.mark.parametrize("header", [V1, V2])
def test_a_header_may_come_byte_by_byte(raw_server: RawServer, header: bytes) -> None:
    callee = Recorder()
    caller = call(raw_server, callee, b"")
    [listener] = raw_server.listeners()
    run_until(raw_server, lambda: listener.admission.opening)
    for position in range(len(header)):
        assert not callee.events
        caller.connection.write(header[position : position + 1])
        raw_server.listen_once(0.0)
    run_until(raw_server, lambda: callee.connections)
    caller.connection.write(b"hello")
    run_until(raw_server, lambda: callee.data == b"hello")
    assert callee.connection.ip == "192.0.2.7"


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 what\r\n", V2_START + b"\xff" * 10, b"\0"]
)
def test_who_has_no_header_is_no_connection(raw_server: RawServer, said: bytes) -> None:
    callee = Recorder()
    caller = call(raw_server, callee, said)
    run_until(raw_server, lambda: callee.failures)
    assert callee.events == ["opening_failed"]
    assert isinstance(callee.failures[0][1], ProxyProtocolError)
    assert raw_server.statistics().refused == {"opening failed": 1}
    run_until(raw_server, lambda: caller.events[-1] == "connection_lost")


@pytest.mark.parametrize("said", [b"", V1[:10]])
def test_who_ends_before_the_header_does_is_none(raw_server: RawServer, said: bytes) -> None:
    callee = Recorder()
    caller = call(raw_server, callee, said)
    run_until(raw_server, lambda: caller.connections)
    caller.connection.shutdown()
    run_until(raw_server, lambda: callee.failures)
    assert callee.events == ["opening_failed"]
    assert "ended before" in str(callee.failures[0][1])


def test_the_end_may_come_with_the_header(raw_server: RawServer) -> None:
    callee = Recorder()
    caller = call(raw_server, callee, V1 + b"all")
    run_until(raw_server, lambda: caller.connections)
    caller.connection.close_when_flushed()
    run_until(raw_server, lambda: callee.events[-1:] == ["connection_lost"])
    assert callee.data == b"all"
    assert callee.connection.error is None


def test_tls_comes_after_the_header(
    raw_server: RawServer, tls_server: Any, tls_client: Any
) -> None:
    """The header, and the client's first flight behind it."""
    callee = Recorder()
    caller = call(raw_server, callee, V2, tls=tls_server)
    run_until(raw_server, lambda: caller.connections and caller.connection.is_flushed())
    raw_server.start_tls(caller.connection, tls_client, server_name="localhost")
    caller.connection.write(b"secret")
    run_until(raw_server, lambda: callee.data == b"secret")
    assert callee.connection.ip == "192.0.2.7"
    assert callee.connection.top() is not None


def test_many_headers_at_once_are_each_their_own(raw_server: RawServer) -> None:
    callee = Recorder()
    port = listen(raw_server, callee, proxy_protocol=True)
    for number in range(40):
        caller = Recorder()
        header = f"PROXY TCP4 192.0.2.{number} 192.0.2.1 {1000 + number} 80\r\n".encode()
        raw_server.start_connection(("127.0.0.1", port), caller).write(header + b"x")
    run_until(raw_server, lambda: len(callee.data) == 40)
    found = {(connection.ip, connection.port) for connection in callee.connections}
    assert found == {(f"192.0.2.{number}", 1000 + number) for number in range(40)}
