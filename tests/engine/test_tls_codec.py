"""TLS in memory; over a connection it is tested in test_tls_layer.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.engine.errors import TlsError, TlsTruncated
from rawserver.engine.tls import TlsClient, TlsServer
from rawserver.engine.tls_codec import FED_AT_ONCE, RECORD_SIZE, TlsCodec, coalesce, cut


@pytest.fixture
def codecs(server: TlsServer, client: TlsClient) -> tuple[TlsCodec, TlsCodec]:
    """Two ends after the handshake."""
    one, other = TlsCodec(server, None, b""), TlsCodec(client, "example.org", b"")
    over = [False, False]
    while not all(over):
        for index, (end, peer) in enumerate([(other, one), (one, other)]):
            over[index] = over[index] or end.handshake()
            if end.outgoing.pending:
                peer.receive(end.outgoing.read())
    assert other.read(1) == b""  # the tickets
    return one, other


def test_what_passes_through_openssl_at_a_time_is_about_a_record(
    codecs: tuple[TlsCodec, TlsCodec],
) -> None:
    one, other = codecs
    ciphertext = b"".join(one.encrypt(bytes(RECORD_SIZE)) for _ in range(4))
    other.receive(ciphertext)
    most = 0
    got = 0
    while other.more():
        most = max(most, other._incoming.pending)
        got += len(other.read(5000))
    assert got == 4 * RECORD_SIZE
    assert most <= FED_AT_ONCE


def test_a_read_takes_several_records(codecs: tuple[TlsCodec, TlsCodec]) -> None:
    one, other = codecs
    records = [one.encrypt(bytes([number]) * 1000) for number in range(10)]
    other.receive(b"".join(records)[:-1])
    assert len(other.read(2500)) == 2500
    buffer = bytearray(2500)
    assert other.read_into(buffer) == 2500
    assert buffer[-1] == 4
    assert other.read(10**6) == b"".join(bytes([number]) * 1000 for number in range(5, 9))
    assert other.read(1) == b""
    assert other.read_into(bytearray(1)) == 0
    assert not other.more()
    assert not other.ended
    other.receive(records[-1][-1:])
    assert other.read_into(bytearray(0)) == 0
    assert other.read(10**6) == bytes([9]) * 1000


def test_data_that_came_before_our_end_is_not_lost(codecs: tuple[TlsCodec, TlsCodec]) -> None:
    one, other = codecs
    other.receive(b"".join(one.encrypt(part) for part in (b"first", b"second", b"third")))
    assert other.read(2) == b"fi"
    one.receive(other.close_notify())
    assert one.read(1) == b""
    assert one.ended
    buffer = bytearray(2)
    assert other.read_into(buffer) == 2
    assert buffer == b"rs"
    assert other.read(100) == b"tsecondthird"
    other.receive(one.encrypt(b"after") + one.close_notify())
    assert other.read(100) == b"after"
    assert other.ended
    assert other.error is None
    with pytest.raises(BrokenPipeError):
        other.encrypt(b"x")


def test_what_came_can_be_dropped(codecs: tuple[TlsCodec, TlsCodec]) -> None:
    one, other = codecs
    other.receive(one.encrypt(b"dropped"))
    assert other.read(1) == b"d"
    other.close_notify()
    other.drop()
    assert not other.more()
    assert other.read(10) == b""


def test_the_streams_end_is_no_end_of_tls(codecs: tuple[TlsCodec, TlsCodec]) -> None:
    one, other = codecs
    other.receive(b"")
    assert isinstance(other.error, TlsTruncated)
    one.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    assert one.read(1) == b""
    assert isinstance(one.error, TlsError)
    first = one.error
    one.receive(b"")
    assert one.error is first
    assert one.outgoing.pending  # the alert
    with pytest.raises(TlsError):
        one.encrypt(b"x")


@given(parts=st.lists(st.binary(max_size=40_000), max_size=8), limit=st.integers(1, 60_000))
def test_parts_are_joined_into_full_records(parts: list[bytes], limit: int) -> None:
    pieces = list(coalesce(parts, limit))
    assert b"".join(pieces) == b"".join(parts)[:limit]
    assert all(len(piece) == RECORD_SIZE for piece in pieces[:-1])
    assert all(pieces)
    assert list(cut(memoryview(b"".join(pieces)))) == pieces
