import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.engine.proxy_protocol import (
    MOST_BYTES_V1,
    MOST_BYTES_V2,
    TLV_ALPN,
    TLV_AUTHORITY,
    TLV_CRC32C,
    TLV_NOOP,
    ProxyHeader,
    ProxyHeaderParser,
    ProxyProtocolError,
    encode_v1,
    encode_v2,
)

START = b"\r\n\r\n\0\r\nQUIT\n"
FOUR = ("192.0.2.1", 56324), ("198.51.100.2", 443)
SIX = ("2001:db8::1", 56324), ("2001:db8::2", 443)

# As the specification lays them out, byte by byte.
V2_TCP4 = START + bytes.fromhex("21 11 000c c0000201 c6336402 dc04 01bb")


def parse(data: bytes) -> ProxyHeader:
    """Parse whole, byte by byte and with a tail; all must agree."""
    whole = ProxyHeaderParser()
    assert whole.feed(data) == len(data)
    piecemeal = ProxyHeaderParser()
    for index in range(len(data)):
        assert piecemeal.header is None
        assert piecemeal.feed(data[index : index + 1]) == 1
    with_tail = ProxyHeaderParser()
    assert with_tail.feed(data + b"\r\nGET / HTTP/1.1") == len(data)
    assert with_tail.feed(b"more") == 0
    assert whole.header is not None
    assert whole.header == piecemeal.header == with_tail.header
    return whole.header


def refused(data: bytes, match: str) -> None:
    """Check that it is refused, whole, with a tail and byte by byte."""
    for tail in (b"", b"tail" * 1000):
        with pytest.raises(ProxyProtocolError, match=match):
            ProxyHeaderParser().feed(data + tail)
    parser = ProxyHeaderParser()
    with pytest.raises(ProxyProtocolError, match=match):
        feed_byte_by_byte(parser, data)
    assert parser.header is None


def feed_byte_by_byte(parser: ProxyHeaderParser, data: bytes) -> None:
    for index in range(len(data)):
        parser.feed(data[index : index + 1])


@pytest.mark.parametrize(
    ("line", "source", "destination"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", *FOUR),
        (b"PROXY TCP6 2001:DB8::1 2001:db8:0:0::2 56324 443\r\n", *SIX),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::FFFF:c633:6402 56324 443\r\n", *FOUR),
        (b"PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n",
         ("255.255.255.255", 65535), ("0.0.0.0", 0)),
        (b"PROXY UNKNOWN\r\n", None, None),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", None, None),
    ],
)  # fmt: skip
def test_version_1(line: bytes, source: object, destination: object) -> None:
    assert parse(line) == (source, destination, 1, False, ())


def test_the_longest_line_there_can_be_is_taken_and_a_longer_one_is_not() -> None:
    longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    line = f"PROXY UNKNOWN {longest} {longest} 65535 65535\r\n".encode()
    assert len(line) == MOST_BYTES_V1
    parse(line)
    refused(line[:-2] + b"0\r\n", "107 bytes")


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY \r\n",
        b"PROXY TCP5 192.0.2.1 198.51.100.2 56324 443\r\n",
        b"PROXY tcp4 192.0.2.1 198.51.100.2 56324 443\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.2 56324 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1\r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.2 56324 443\r\n",
        b"PROXY TCP4 2001:db8::1 198.51.100.2 56324 443\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.2 56324 443\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 56324 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 056 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 +56 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 5_6 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n\r\n",
        b"PROXY TCP4 192.0.2.\xb9 198.51.100.2 56324 443\r\n",
    ],
)
def test_a_line_that_is_not_exact_is_refused(line: bytes) -> None:
    refused(line, "PROXY protocol: ")


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PROXX", b"\r\nQ"])
def test_what_cannot_be_a_header_is_refused_at_its_first_wrong_byte(data: bytes) -> None:
    refused(data, "cannot begin with")


def test_version_2_of_the_specification() -> None:
    assert parse(V2_TCP4) == (*FOUR, 2, False, ())
    assert encode_v2(*FOUR) == V2_TCP4


def test_ipv4_within_ipv6_is_shown_as_ipv4() -> None:
    data = encode_v2(("192.0.2.1", 1), ("2001:db8::2", 443))
    assert data[13] == 0x21
    assert parse(data)[:2] == (("192.0.2.1", 1), ("2001:db8::2", 443))
    assert parse(encode_v1(("192.0.2.1", 1), ("2001:db8::2", 443)))[0] == ("192.0.2.1", 1)


@pytest.mark.parametrize("family", [0x11, 0x12])
def test_udp_is_told_as_tcp_is(family: int) -> None:
    assert parse(V2_TCP4[:13] + bytes([family]) + V2_TCP4[14:])[:2] == FOUR


@pytest.mark.parametrize("path", ["/run/a.sock", "\0abstract", "", "/" + "x" * 107, "/\udcff"])
def test_unix_sockets_are_told_by_their_paths(path: str) -> None:
    assert parse(encode_v2(path, "/run/b"))[:2] == (path, "/run/b")


def test_a_proxy_that_speaks_for_itself_tells_no_addresses() -> None:
    assert parse(encode_v2(None, None, local=True)) == (None, None, 2, True, ())
    # Whatever stands there is skipped, by its length alone.
    assert parse(START + b"\x20\x11\x00\x05other") == (None, None, 2, True, ())


def test_a_proxy_that_does_not_know_tells_no_addresses() -> None:
    assert parse(encode_v2(None, None)) == (None, None, 2, False, ())
    assert parse(START + b"\x21\x00\x00\x05other") == (None, None, 2, False, ())
    assert parse(encode_v1(None, None)) == (None, None, 1, False, ())


def test_what_else_is_told_comes_in_order_and_without_padding() -> None:
    tlvs = [(TLV_ALPN, b"h2"), (TLV_NOOP, bytes(7)), (TLV_AUTHORITY, b"example.org"), (0xE0, b"")]
    header = parse(encode_v2(*SIX, tlvs))
    assert header.tlvs == ((TLV_ALPN, b"h2"), (TLV_AUTHORITY, b"example.org"), (0xE0, b""))


def test_a_checksum_is_checked() -> None:
    data = encode_v2(*FOUR, [(TLV_ALPN, b"h2")], checksum=True)
    assert parse(data).tlvs[1][0] == TLV_CRC32C
    for index in (16, 24, len(data) - 1):
        wrong = bytearray(data)
        wrong[index] ^= 1
        refused(bytes(wrong), "checksum")
    refused(encode_v2(*FOUR, [(TLV_CRC32C, b"abc")]), "checksum")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (START + b"\x11\x11\x00\x0c" + bytes(12), "version and command 0x11"),
        (START + b"\x22\x11\x00\x0c" + bytes(12), "version and command 0x22"),
        (START + b"\x21\x10\x00\x0c" + bytes(12), "protocol 0x10"),
        (START + b"\x21\x41\x00\x0c" + bytes(12), "protocol 0x41"),
        (START + b"\x21\x11\x00\x0b" + bytes(11), "too short"),
        (START + b"\x21\x31\x00\x0c" + bytes(12), "too short"),
        (START + b"\x21\x11\x00\x0e" + bytes(14), "cut off"),
        (START + b"\x21\x11\x00\x0f" + bytes(12) + b"\x01\x00\x01", "longer than the header"),
    ],
)
def test_version_2_that_is_not_sound_is_refused(data: bytes, match: str) -> None:
    refused(data, match)


def test_a_length_that_is_too_great_is_refused_before_its_bytes_come() -> None:
    room = MOST_BYTES_V2 - 16 - 12 - 3
    parse(encode_v2(*FOUR, [(0xE0, bytes(room))]))
    over = encode_v2(*FOUR, [(0xE0, bytes(room + 1))])
    with pytest.raises(ProxyProtocolError, match="2049 bytes, more than the 2048"):
        ProxyHeaderParser().feed(over[:16])
    wider = ProxyHeaderParser(most_bytes_v2=MOST_BYTES_V2 + 1)
    assert wider.feed(over + b"tail") == len(over)
    assert wider.header is not None
    # It is of version 2 alone.
    line = b"PROXY UNKNOWN".ljust(MOST_BYTES_V1 - 2) + b"\r\n"
    assert ProxyHeaderParser(most_bytes_v2=16).feed(line + b"tail") == len(line)


def test_what_follows_stays_in_the_socket_when_it_is_peeked() -> None:
    one, other = socket.socketpair()
    with one, other:
        data = encode_v2(*SIX, [(TLV_ALPN, b"h2")])
        parser = ProxyHeaderParser()
        for part in (data[:20], data[20:] + b"hello"):
            one.sendall(part)
            other.recv(parser.feed(other.recv(4096, socket.MSG_PEEK)))
        assert parser.header is not None
        assert other.recv(4096) == b"hello"


@pytest.mark.parametrize(
    "encode",
    [
        lambda: encode_v1(("localhost", 1), ("192.0.2.1", 1)),
        lambda: encode_v1(("fe80::1%1", 1), ("fe80::2", 1)),
        lambda: encode_v1(("192.0.2.1", 65536), ("192.0.2.1", 1)),
        lambda: encode_v2(("192.0.2.1", -1), ("192.0.2.1", 1)),
        lambda: encode_v2("x" * 109, ""),
        lambda: encode_v2(*FOUR, [(256, b"")]),
        lambda: encode_v2(*FOUR, [(1, bytes(65536))]),
        lambda: encode_v2(*FOUR, [(1, bytes(40000)), (1, bytes(40000))]),
    ],
)
def test_what_cannot_be_said_is_not_encoded(encode: Callable[[], bytes]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011, each says what it was given
        encode()


ports = st.integers(0, 65535)
fours = st.tuples(st.ip_addresses(v=4).map(str), ports)
sixes = st.tuples(
    st.ip_addresses(v=6).filter(lambda ip: ip.ipv4_mapped is None).map(str), ports
)  # fmt: skip
addresses = st.one_of(st.tuples(fours, fours), st.tuples(sixes, sixes), st.tuples(fours, sixes))
tlvs_of_all_kinds = st.lists(
    st.tuples(
        st.integers(0, 255).filter(lambda kind: kind not in (TLV_CRC32C, TLV_NOOP)),
        st.binary(max_size=60),
    ),
    max_size=6,
)


@given(addresses, tlvs_of_all_kinds, st.booleans(), st.binary(max_size=9))
def test_there_and_back(
    pair: tuple[tuple[str, int], tuple[str, int]],
    tlvs: list[tuple[int, bytes]],
    checksum: bool,
    tail: bytes,
) -> None:
    for data, expected in (
        (encode_v1(*pair), ProxyHeader(*pair, 1)),
        (encode_v2(*pair, tlvs), ProxyHeader(*pair, 2, tlvs=tuple(tlvs))),
    ):
        parser = ProxyHeaderParser()
        assert parser.feed(data + tail) == len(data)
        assert parser.header == expected
    parser = ProxyHeaderParser()
    parser.feed(encode_v2(*pair, tlvs, checksum=checksum))
    assert parser.header is not None
    assert len(parser.header.tlvs) == len(tlvs) + checksum


@given(st.lists(st.binary(max_size=40), max_size=10), st.sampled_from([b"", b"PROXY ", START]))
def test_garbage_is_refused_or_waited_for_but_never_harms(parts: list[bytes], start: bytes) -> None:
    parser = ProxyHeaderParser()
    try:
        for part in (start, *parts):
            assert 0 <= parser.feed(part) <= len(part)
    except ProxyProtocolError:
        assert parser.header is None


@given(st.binary(min_size=16, max_size=300))
def test_any_body_under_a_sound_start_is_read_or_refused(body: bytes) -> None:
    for family in (0x11, 0x21, 0x31):
        data = START + struct.pack("!BBH", 0x21, family, len(body)) + body
        parser = ProxyHeaderParser()
        try:
            assert parser.feed(data) == len(data)
        except ProxyProtocolError:
            continue
        assert parser.header is not None
