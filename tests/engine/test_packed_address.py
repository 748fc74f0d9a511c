import socket
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.engine.packed_address import (
    PACKED_IPV4_LENGTH,
    PACKED_IPV6_LENGTH,
    ip_of_packed,
    pack_address,
    show_address,
)

PORTS = st.integers(0, 65535)
IPV6 = st.ip_addresses(v=6).filter(lambda ip: ip.ipv4_mapped is None)


@given(st.ip_addresses(v=4), PORTS)
def test_ipv4_is_packed_and_shown_by_both_families(ip: Any, port: int) -> None:
    address = (str(ip), port)
    for is_ipv6, length in ((False, PACKED_IPV4_LENGTH), (True, PACKED_IPV6_LENGTH)):
        packed = pack_address(address, is_ipv6)
        assert len(packed) == length
        assert show_address(packed) == address
        assert ip_of_packed(packed) == ip.packed


@given(IPV6, PORTS, st.integers(0, (1 << 20) - 1), st.integers(0, (1 << 32) - 1))
def test_ipv6_is_packed_and_shown(ip: Any, port: int, flow: int, scope: int) -> None:
    packed = pack_address((str(ip), port, flow, scope), True)
    text, *rest = show_address(packed)
    assert socket.inet_pton(socket.AF_INET6, text) == ip.packed
    assert rest == [port, flow, scope]
    assert ip_of_packed(packed) == ip.packed
    assert show_address(pack_address((str(ip), port), True))[1:] == (port, 0, 0)


@pytest.mark.skipif(sys.byteorder != "little", reason="written for a little-endian machine")
def test_the_bytes_are_those_of_the_structures() -> None:
    family = int(socket.AF_INET).to_bytes(2, "little")
    assert pack_address(("192.0.2.7", 6881), False) == (
        family + b"\x1a\xe1" + b"\xc0\0\2\7" + bytes(8)
    )
    family = int(socket.AF_INET6).to_bytes(2, "little")
    assert pack_address(("::1", 6881, 5, 3), True) == (
        family + b"\x1a\xe1" + b"\0\0\0\5" + bytes(15) + b"\1" + b"\3\0\0\0"
    )


@pytest.mark.parametrize(
    ("address", "is_ipv6"),
    [
        (("localhost", 1), False),
        (("localhost", 1), True),
        (("::1", 1), False),
        (("127.0.0.1", 65536), False),
        (("127.0.0.1", -1), True),
    ],
)
def test_what_is_no_address_of_the_family_is_refused(address: Any, is_ipv6: bool) -> None:
    with pytest.raises((OSError, OverflowError)):
        pack_address(address, is_ipv6)
