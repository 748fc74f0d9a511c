import ipaddress
from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.address_set import AddressSet, address_range, parse_addresses
from rawserver.wire.compact_peers import ip_to_bytes
from rawserver.wire.list_lines import ListError

Network = IPv4Network | IPv6Network


def network(family: int, bits: int, number: int) -> Network:
    packed = (number % (1 << 8 * family)).to_bytes(family, "big")
    return ipaddress.ip_network((packed, bits % (8 * family + 1)), strict=False)


# Short ones and long ones, few different addresses: so that they overlap and touch.
NETWORKS = st.builds(
    network,
    st.sampled_from([4, 16]),
    st.integers(0, 128),
    st.one_of(st.integers(0, 64), st.integers(0, 2**128 - 1), st.integers(2**128 - 64, 2**128 - 1)),
)


def holds(found: AddressSet, text: str) -> bool:
    return ip_to_bytes(text) in found


@given(st.lists(NETWORKS, max_size=8), st.lists(NETWORKS, max_size=8))
def test_it_holds_what_the_networks_hold(listed: list[Network], probes: list[Network]) -> None:
    found = parse_addresses("\n".join(map(str, listed)).encode())
    assert len(found) <= len(listed)
    for probe in listed + probes:
        for address in (probe.network_address, probe.broadcast_address):
            if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
                continue
            among = any(address in entry for entry in listed if entry.version == address.version)
            assert (address.packed in found) == among


def test_single_addresses_networks_and_ranges() -> None:
    found = parse_addresses(
        b"\xef\xbb\xbf192.0.2.1  # one\r\n198.51.100.0/24\r\n203.0.113.5 - 203.0.113.7\r\n"
        b"2001:db8::/32\r\n2001:db9::1-2001:db9::3"
    )
    assert len(found) == 5
    for text in ("192.0.2.1", "198.51.100.255", "203.0.113.5", "203.0.113.7", "2001:db8:ffff::1"):
        assert holds(found, text)
    for text in ("192.0.2.2", "198.51.101.0", "203.0.113.8", "2001:db7::1", "2001:db9::4"):
        assert not holds(found, text)


def test_what_touches_is_one_range_and_families_stay_apart() -> None:
    assert len(parse_addresses(b"10.0.0.0/25\n10.0.0.128/25\n9.0.0.0-9.255.255.255\n")) == 1
    everything = parse_addresses(b"0.0.0.0/0\n255.255.255.255")
    assert len(everything) == 1
    assert holds(everything, "255.255.255.255")
    assert not holds(everything, "::1")


def test_an_ipv4_address_in_the_dress_of_ipv6_is_one() -> None:
    assert holds(parse_addresses(b"::ffff:192.0.2.0/120"), "192.0.2.77")
    assert holds(parse_addresses(b"::ffff:192.0.2.9"), "192.0.2.9")
    assert address_range("::ffff:0.0.0.0/96") == (bytes(4), b"\xff" * 4)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("10.0.0.1/8", "is a host's address within a network"),
        ("2001:db8::1/32", "is a host's address within a network"),
        ("10.0.0.0/33", "number of bits behind its slash, 0 to 32"),
        ("10.0.0.0/", "number of bits"),
        ("10.0.0.0/-1", "no address, network or range"),
        ("10.0.0.0/8/8", "number of bits"),
        ("10.0.0.0/²", "number of bits"),
        ("::ffff:10.0.0.0/95", "number of bits"),
        ("fe80::1%eth0", "no address, network or range"),
        ("10.0.0.9-10.0.0.1", "end does not follow its beginning"),
        ("10.0.0.9-::1", "end does not follow its beginning"),
        ("localhost", "no address, network or range"),
        ("10.0.0", "no address, network or range"),
    ],
)
def test_what_is_neither_is_said_with_its_line(line: str, reason: str) -> None:
    with pytest.raises(ListError, match=reason) as caught:
        parse_addresses(f"# head\n{line}\n".encode())
    assert caught.value.line == 2


@given(st.one_of(st.binary(max_size=100), st.text("0123456789abf.:/-% \n", max_size=60)))
def test_random_bytes_are_a_list_or_a_list_error(data: bytes | str) -> None:
    try:
        parse_addresses(data if isinstance(data, bytes) else data.encode())
    except ListError:
        pass


def test_very_many_networks_are_put_in_order() -> None:
    # More than are sorted at once, and every other address of a network, the last ones first.
    ranges = [
        (bytes([10, 0, high, low]),) * 2 for high in range(255, -1, -1) for low in range(0, 60, 2)
    ]
    found = AddressSet(ranges)
    assert len(found) == len(ranges) == 7680
    assert all(first in found for first, _ in ranges)
    assert bytes([10, 0, 7, 1]) not in found


def test_only_addresses_are_in_it() -> None:
    found = AddressSet([address_range("0.0.0.0/0")])
    assert bytes(3) not in found
    assert "10.0.0.1" not in found
    assert bytes(4) in found
