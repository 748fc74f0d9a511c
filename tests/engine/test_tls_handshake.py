"""How a TLS handshake fails; that it succeeds is in test_tls_layer.py."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from kit.certificates import Authority
from kit.tls_pair import Pair
from rawserver.engine.errors import TlsHandshakeFailed
from rawserver.engine.tls import TlsClient, TlsServer


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "http request"),
        (b"\x00" * 100, "wrong version number|unsupported protocol|record"),
        (b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16_380), "excessive message size"),
        (b"", "the peer ended the connection"),
    ],
)
def test_a_handshake_with_what_is_no_tls_fails(
    server: TlsServer, client: TlsClient, data: bytes, says: str
) -> None:
    pair = Pair(server, client)
    pair.server.top.start(pair.server.done)
    pair.wires[0].inbox += data
    pair.wires[0].ended = True
    for _ in range(5):
        pair.loop.turn()
        pair.wires[0].poll()
    (error,) = pair.server.outcome
    assert isinstance(error, TlsHandshakeFailed)
    with pytest.raises(TlsHandshakeFailed, match=f"handshake failed: .*({says})"):
        raise error
    assert pair.wires[0].events == 0
    pair.server.top.lost()


class Insatiable:
    """Settings, and a TLS that takes any handshake and wants more."""

    ragged_eof = False

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str | None) -> Any:
        self.incoming = incoming
        return self

    def do_handshake(self) -> None:
        self.incoming.read()
        raise ssl.SSLWantReadError


def test_a_handshake_without_end_fails(client: TlsClient) -> None:
    pair = Pair(Insatiable(), client)
    pair.server.top.start(pair.server.done)
    given_bytes = 0
    while not pair.server.outcome:
        pair.wires[0].inbox += bytes(60_000)
        given_bytes += 60_000
        assert given_bytes <= 300_000
        pair.wires[0].poll()
    assert "262144 bytes" in str(pair.server.outcome[0])


def test_both_sides_know_why_a_handshake_failed(
    tmp_path: Path, server: TlsServer, client: TlsClient
) -> None:
    cases = [
        (
            TlsClient(authorities=Authority(tmp_path).path),
            "example.org",
            "local issuer",
            "unknown ca",
        ),
        (client, "example.com", "not valid for 'example.com'", "bad certificate"),
    ]
    for side, host, says, alert in cases:
        pair = Pair(server, side, host=host).start()
        pair.settle()
        (error,) = pair.client.outcome
        assert isinstance(error, TlsHandshakeFailed)
        assert "the peer's certificate is not trusted" in str(error)
        assert says in str(error)
        (error,) = pair.server.outcome
        assert f"handshake failed: the peer's alert: {alert}" in str(error)


def test_an_error_from_below_ends_the_handshake(server: TlsServer, client: TlsClient) -> None:
    pair = Pair(server, client)
    pair.wires[1].error = ConnectionResetError()
    pair.start().settle()
    assert [type(error) for error in pair.client.outcome] == [ConnectionResetError]
