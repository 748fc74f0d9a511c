import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rawserver.wire.compact_peers import Peer, ip_to_bytes, ip_to_text, pack_peers, unpack_peers


def judge(text: str) -> bytes | None:
    """What the standard library says that a text is, IPv4 in IPv6 unwrapped."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.packed
    return address.packed


def convert(text: str) -> bytes | None:
    try:
        return ip_to_bytes(text)
    except ValueError:
        return None


@given(st.ip_addresses().map(str))
def test_address_texts_agree_with_the_standard_library(text: str) -> None:
    packed = ip_to_bytes(text)
    assert packed == judge(text)
    assert ipaddress.ip_address(ip_to_text(packed)).packed == packed


@given(st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16))
@example(bytes(16))
@example(bytes(15) + b"\1")
@example(b"\0\1" + bytes(14))
@example(bytes.fromhex("20010db8000000010000000000000001"))
@example(bytes.fromhex("20010db8000000010002000300040005"))
def test_addresses_are_written_as_the_standard_library_writes_them(packed: bytes) -> None:
    assert ip_to_bytes(ip_to_text(packed)) == (judge(str(ipaddress.ip_address(packed))))
    if not packed.startswith(bytes(10) + b"\xff\xff"):
        assert ip_to_text(packed) == str(ipaddress.ip_address(packed))


@given(st.text("0123456789abF:.%", max_size=24) | st.from_regex(r"[0-9.]{7,15}", fullmatch=True))
@example("::")
@example(":::")
@example("1::2::3")
@example("::ffff:192.0.2.1")
@example("1:2:3:4:5:6:192.0.2.1")
@example("1.2.3.4::")
@example("1:2:3:4:5:6:7::")
@example("::1:2:3:4:5:6:7:8")
@example("01.2.3.4")
@example("1.2.3.256")
@example("1.2.3.4.5")
@example("\u0661.2.3.4")
@example("")
def test_the_same_texts_are_refused(text: str) -> None:
    if "%" not in text:
        assert convert(text) == judge(text)


def test_ipv4_in_ipv6_is_ipv4_and_a_scope_is_left_off() -> None:
    assert ip_to_bytes("::ffff:192.0.2.1") == bytes([192, 0, 2, 1])
    assert ip_to_text(bytes(10) + b"\xff\xff\xc0\0\2\1") == "192.0.2.1"
    assert ip_to_bytes("fe80::1%eth0") == ip_to_bytes("fe80::1")


def test_an_address_has_4_or_16_bytes() -> None:
    with pytest.raises(ValueError, match="not 5"):
        ip_to_text(bytes(5))


def test_peers_are_packed_by_family() -> None:
    peers = [Peer("192.0.2.1", 6881), Peer("2001:db8::1", 80), Peer("192.0.2.2", 65535)]
    packed, packed6 = pack_peers(peers)
    assert packed.hex() == "c00002011ae1" + "c0000202ffff"
    assert packed6.hex() == "20010db8000000000000000000000001" + "0050"
    assert unpack_peers(packed, 4) == [peers[0], peers[2]]
    assert unpack_peers(packed6, 16) == [peers[1]]


def test_a_peer_without_a_port_cannot_be_dialled() -> None:
    assert unpack_peers(b"\1\2\3\4\0\0\5\6\7\x08\0\1", 4) == [Peer("5.6.7.8", 1)]


def test_half_a_peer_is_refused() -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        unpack_peers(bytes(7), 4)
