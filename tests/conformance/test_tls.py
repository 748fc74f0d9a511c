"""TLS from a listener to a connection, through the whole of RawServer."""

from __future__ import annotations

import random
import socket
from pathlib import Path
from typing import Any

import pytest

from kit.certificates import Authority
from kit.files import opened
from kit.joined import Joiner, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import HandshakeTimeout, Network, RawServer, SingleSocket
from rawserver.engine.errors import TlsError, TlsHandshakeFailed, TlsTruncated
from rawserver.engine.tls import TlsClient, TlsServer
from rawserver.engine.tls_layer import TlsLayer


@pytest.fixture
def tls(tls_server: TlsServer, tls_client: TlsClient) -> Joiner:
    return Joiner((tls_server, tls_client), throttled=False)


def layer(connection: SingleSocket) -> TlsLayer:
    top = connection.top()
    assert isinstance(top, TlsLayer)
    return top


def lost(*handlers: Recorder) -> bool:
    return all(handler.events[-1:] == ["connection_lost"] for handler in handlers)


def test_much_passes_in_both_directions(raw_server: RawServer, tls: Joiner) -> None:
    chance = random.Random(3)
    said = [chance.randbytes(3_000_000) for _ in range(2)]
    handlers = Recorder(), Recorder(eof_received=lambda connection: True)
    ends = tls(raw_server, *handlers)
    for end, data in zip(ends, said, strict=True):
        start = 0
        while start < len(data):
            count = chance.choice([1, 100, 16_384, 16_385, 300_000])
            end.write(data[start : start + count])
            start += count
        end.shutdown()
    run_until(raw_server, lambda: lost(*handlers))
    assert [bytes(handler.data) for handler in reversed(handlers)] == said
    assert [end.error for end in ends] == [None, None]
    assert [end.sent for end in ends] == [len(data) for data in said]


def test_one_side_may_end_and_the_other_go_on(raw_server: RawServer, tls: Joiner) -> None:
    caller, callee = Recorder(), Recorder(eof_received=lambda connection: True)
    connection, other = tls(raw_server, caller, callee)
    connection.write(b"question")
    connection.shutdown(socket.SHUT_WR)
    run_until(raw_server, lambda: "eof_received" in callee.events)
    assert callee.data == b"question"
    other.write(b"x" * 1_000_000)
    other.close_when_flushed()
    run_until(raw_server, lambda: lost(caller, callee))
    assert len(caller.data) == 1_000_000
    assert connection.error is other.error is None


@pytest.mark.parametrize("says_more", [False, True])
def test_what_was_written_before_the_end_arrives_whole(
    raw_server: RawServer, tls: Joiner, says_more: bool
) -> None:
    caller, callee = Recorder(), Recorder()
    connection, other = tls(raw_server, caller, callee)
    connection.write(b"x" * 2_000_000)
    connection.close_when_flushed()
    if says_more:
        other.write(b"y" * 100_000)
    run_until(raw_server, lambda: lost(caller, callee))
    assert callee.data == b"x" * 2_000_000
    assert other.error is None


def test_what_was_agreed_can_be_read(
    raw_server: RawServer, identity: Any, authority: Authority
) -> None:
    server = TlsServer(*identity, alpn=["h2", "http/1.1"])
    client = TlsClient(authorities=authority.path, alpn=["http/1.1"], server_name="localhost")
    connection, other = Joiner((server, client), throttled=False)(
        raw_server, Recorder(), Recorder()
    )
    assert layer(connection).alpn == layer(other).alpn == "http/1.1"
    assert layer(other).server_name == "localhost"
    assert layer(connection).version == layer(other).version == "TLSv1.3"
    certificate = layer(connection).peer_certificate
    assert certificate is not None
    assert ("DNS", "localhost") in certificate["subjectAltName"]
    connection.close()
    assert connection.top() is None


def test_a_wrong_name_fails_with_a_text_that_says_so(
    raw_server: RawServer, tls_server: TlsServer, authority: Authority
) -> None:
    client = TlsClient(authorities=authority.path, server_name="elsewhere.example")
    caller, callee = Recorder(), Recorder()
    port = listen(raw_server, callee, tls=tls_server)
    raw_server.start_connection(("127.0.0.1", port), caller, tls=client)
    run_until(raw_server, lambda: caller.failures and callee.failures)
    assert caller.events == ["connection_failed"]
    assert callee.events == ["opening_failed"]
    error = caller.failures[0][1]
    assert isinstance(error, TlsHandshakeFailed)
    assert "not trusted" in str(error)
    assert "elsewhere.example" in str(error)


def test_a_client_without_tls_is_none(raw_server: RawServer, tls_server: TlsServer) -> None:
    caller, callee = Recorder(), Recorder()
    port = listen(raw_server, callee, tls=tls_server)
    raw_server.start_connection(("127.0.0.1", port), caller).write(b"GET / HTTP/1.0\r\n\r\n")
    run_until(raw_server, lambda: callee.failures and lost(caller))
    assert callee.events == ["opening_failed"]
    assert isinstance(callee.failures[0][1], TlsHandshakeFailed)
    assert raw_server.statistics().refused == {"opening failed": 1}
    assert raw_server.listeners()[0].admission.total == 0


class Starter(Recorder):
    """Says in the clear what to do, and then goes on with TLS."""

    def __init__(self, raw_server: RawServer, tls: Any, server_name: str | None = None) -> None:
        super().__init__()
        self.raw_server = raw_server
        self.tls = tls
        self.server_name = server_name

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        super().data_came_in(connection, data)
        command, newline, rest = bytes(self.data).partition(b"STARTTLS\n")
        if newline and "starts" not in self.events:
            self.events.append("starts")
            self.data[:] = command
            self.raw_server.start_tls(
                connection, self.tls, server_name=self.server_name, received=rest
            )


@pytest.mark.parametrize("throttled", [False, True])
def test_starttls_loses_nothing_that_came_with_the_command(
    raw_server: RawServer, tls_server: TlsServer, tls_client: TlsClient, throttled: bool
) -> None:
    """The client's first flight comes in the segment of the command."""
    callee, caller = Starter(raw_server, tls_server), Recorder()
    connection, other = Joiner(None, throttled=throttled)(raw_server, caller, callee)
    connection.write(b"STARTTLS\n")
    raw_server.start_tls(connection, tls_client, server_name="localhost")
    connection.write(b"secret")  # waits for the handshake
    run_until(raw_server, lambda: callee.data == b"secret")
    assert caller.events == ["connection_made", "tls_started", "connection_flushed"]
    assert callee.events == [
        "external_connection_made", "data_came_in", "starts", "tls_started", "data_came_in",
    ]  # fmt: skip
    other.write(b"x" * 500_000)
    other.close_when_flushed()
    run_until(raw_server, lambda: lost(caller, callee))
    assert len(caller.data) == 500_000


def test_starttls_that_fails_ends_the_connection(
    raw_server: RawServer, tls_server: TlsServer, tls_client: TlsClient
) -> None:
    callee, caller = Starter(raw_server, tls_server), Recorder()
    connection, other = Joiner(None, throttled=False)(raw_server, caller, callee)
    connection.write(b"STARTTLS\n")
    raw_server.start_tls(connection, tls_client, server_name="elsewhere.example")
    run_until(raw_server, lambda: lost(caller, callee))
    assert isinstance(connection.error, TlsHandshakeFailed)
    assert isinstance(other.error, TlsError)


def test_starttls_that_is_never_answered_is_too_late(
    raw_server: RawServer, tls_client: TlsClient
) -> None:
    caller, callee = Recorder(), Recorder()
    connection, _ = Joiner(None, throttled=False)(raw_server, caller, callee)
    raw_server.start_tls(connection, tls_client, server_name="localhost", timeout=0.02)
    run_until(raw_server, lambda: lost(caller, callee))
    assert isinstance(connection.error, HandshakeTimeout)


def test_tls_does_not_start_beside_what_still_waits(
    raw_server: RawServer, tls_client: TlsClient
) -> None:
    connection, other = Joiner(None, throttled=False)(raw_server, Recorder(), Recorder())
    other.pause_reading()
    while connection.write(b"x" * 100_000):
        pass
    with pytest.raises(RuntimeError, match="flushed"):
        raw_server.start_tls(connection, tls_client, server_name="localhost")
    assert connection.top() is None


def test_files_and_lent_memory_keep_their_order(
    raw_server: RawServer, network: Network, tls: Joiner, tmp_path: Path
) -> None:
    content = random.Random(4).randbytes(1_500_000)
    file = opened(network.disk, tmp_path / "a", content)
    caller, callee = Recorder(), Recorder()
    connection, _ = tls(raw_server, caller, callee)
    connection.write_lent([b"lent", memoryview(b"memory")])
    connection.sendfile(file, 0, len(content), b"header")
    connection.write(b"between")
    connection.sendfile(file, 1000, 50_000)
    connection.write_lent([b"last"])
    connection.close_when_flushed()
    run_until(raw_server, lambda: lost(caller, callee))
    expected = b"lentmemoryheader" + content + b"between" + content[1000:51_000] + b"last"
    assert callee.data == expected
    file.close()


def test_certificates_may_be_read_again_while_it_runs(
    raw_server: RawServer, authority: Authority
) -> None:
    before, after = authority.issue("localhost"), authority.issue("after.example")
    server = TlsServer(*before)
    callee = Recorder()
    port = listen(raw_server, callee, tls=server)

    def call(name: str) -> Recorder:
        caller = Recorder()
        client = TlsClient(authorities=authority.path, server_name=name)
        raw_server.start_connection(("127.0.0.1", port), caller, tls=client)
        run_until(raw_server, lambda: caller.events)
        return caller

    old = call("localhost")
    run_until(raw_server, lambda: callee.connections)
    for path, new in zip(before, after, strict=True):
        path.write_bytes(new.read_bytes())
    server.reload()
    assert call("after.example").events == ["connection_made"]
    assert call("localhost").events == ["connection_failed"]
    old.connection.write(b"still here")
    run_until(raw_server, lambda: callee.data == b"still here")


def test_a_context_that_is_removed_takes_those_in_their_handshakes(
    raw_server: RawServer, tls_server: TlsServer, tls_client: TlsClient
) -> None:
    for context in ("serving", "calling"):
        raw_server.add_context(context)
    plain, served, callee, silent = Recorder(), Recorder(), Recorder(), Recorder()
    port = listen(raw_server, served, "serving", tls=tls_server)
    raw_server.start_connection(("127.0.0.1", port), plain)
    caller = Recorder()
    silent_port = listen(raw_server, silent)
    raw_server.start_connection(("127.0.0.1", silent_port), caller, "calling", tls=tls_client)
    run_until(raw_server, lambda: raw_server.listeners()[0].admission.opening)
    run_until(raw_server, lambda: silent.data)
    raw_server.remove_context("serving")
    raw_server.remove_context("calling")
    run_until(raw_server, lambda: lost(plain, silent) and caller.events)
    assert caller.events == ["connection_failed"]
    assert served.events == []  # what would tell it belonged to the context, too
    assert callee.events == []
    assert raw_server.connections() == []


def test_a_stream_that_is_cut_is_not_taken_for_whole(raw_server: RawServer, tls: Joiner) -> None:
    caller, callee = Recorder(), Recorder()
    connection, other = tls(raw_server, caller, callee)
    connection.write(b"half of it")
    run_until(raw_server, lambda: callee.data)
    connection.socket().shutdown(socket.SHUT_WR)  # an attacker's FIN
    run_until(raw_server, lambda: lost(caller, callee))
    assert isinstance(other.error, TlsTruncated)


def test_a_client_that_resets_in_its_handshake_costs_nothing(
    raw_server: RawServer, tls_server: TlsServer
) -> None:
    caller, callee = Recorder(), Recorder()
    port = listen(raw_server, callee, tls=tls_server)
    raw_server.start_connection(("127.0.0.1", port), caller)
    [listener] = raw_server.listeners()
    run_until(raw_server, lambda: listener.admission.opening)
    caller.connection.reset()
    run_until(raw_server, lambda: callee.failures)
    assert isinstance(callee.failures[0][1], OSError)
    assert listener.admission.opening == listener.admission.total == 0
