"""Whose request a proxy passes on: only those who are trusted are believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.services.tracker.forwarded import (
    MAX_HOPS,
    ProxyHeaderName,
    TrustedProxies,
    parse_networks,
)

PROXY, STRANGER = "10.0.0.1", "198.51.100.1"
TRUSTED = parse_networks(["10.0.0.0/8", "2001:db8:1::/48", " 192.0.2.1 "])


def client(value: str, ip: str = PROXY, header: ProxyHeaderName = "x-forwarded-for") -> str:
    return TrustedProxies(TRUSTED, header).client_of(ip, {header: value})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("2001:DB8::9", "2001:db8::9"),
        ("[2001:db8::9]:4711", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        # What stands before the last one that no proxy of ours added may be anybody's invention.
        ("192.0.2.99, 203.0.113.9", "203.0.113.9"),
        ("192.0.2.99, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("203.0.113.9, 2001:db8:1::5, 192.0.2.1", "203.0.113.9"),
        # All of them ours: it began with the first.
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        # Nothing that is an address ends the chain.
        ("", PROXY),
        ("unknown", PROXY),
        ("203.0.113.9, unknown", PROXY),
        ("203.0.113.9, , 10.0.0.2", "10.0.0.2"),
    ],
)
def test_the_last_address_that_no_proxy_of_ours_has_is_the_client(
    value: str, expected: str
) -> None:
    assert client(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ('For="[2001:db8::9]:4711";proto=https;by=10.0.0.1', "2001:db8::9"),
        ("for=192.0.2.99, for=203.0.113.9;host=a", "203.0.113.9"),
        ('for="a,for=192.0.2.99", for=203.0.113.9', "203.0.113.9"),
        ("by=10.0.0.1", PROXY),
        ("for=_hidden", PROXY),
        ("for=unknown", PROXY),
    ],
)
def test_the_header_of_the_standard(value: str, expected: str) -> None:
    assert client(value, header="forwarded") == expected


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_nobody_else_is_believed(header: ProxyHeaderName) -> None:
    value = "for=203.0.113.9" if header == "forwarded" else "203.0.113.9"
    assert client(value, STRANGER, header) == STRANGER
    nobody = TrustedProxies((), header)
    assert nobody.client_of(PROXY, {header: value}) == PROXY


def test_the_header_that_the_proxy_does_not_write_is_the_clients() -> None:
    headers = {"x-forwarded-for": "203.0.113.9", "forwarded": "for=192.0.2.99"}
    assert TrustedProxies(TRUSTED).client_of(PROXY, headers) == "203.0.113.9"
    assert TrustedProxies(TRUSTED).client_of(PROXY, {"forwarded": "for=192.0.2.99"}) == PROXY


def test_a_chain_without_end_is_followed_so_far() -> None:
    chain = ", ".join(["203.0.113.9", *["10.0.0.2"] * MAX_HOPS])
    assert client(chain) == "10.0.0.2"


@given(st.text(max_size=100), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_whatever_is_said_an_address_comes_of_it(value: str, header: ProxyHeaderName) -> None:
    assert client(value, header=header)
    assert client(value, STRANGER, header) == STRANGER


def test_networks_that_are_none_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        parse_networks(["10.0.0.1/8"])


class Connection:
    """One whose socket is at an address, and that a proxy may have told of."""

    def __init__(self, ip: str, proxied: bool) -> None:
        self.ip = ip
        self.proxy_header = object() if proxied else None

    def socket(self) -> "Connection":
        return self

    def getpeername(self) -> tuple[str, int]:
        if not self.ip:
            raise OSError("gone")
        return self.ip, 4711


@pytest.mark.parametrize(
    ("ip", "proxied", "admitted"),
    [
        (PROXY, True, True),
        (STRANGER, True, False),
        (STRANGER, False, True),
        ("::ffff:10.0.0.1", True, True),
        ("", True, False),
    ],
)
def test_a_proxy_header_counts_from_a_proxy_that_is_trusted(
    ip: str, proxied: bool, admitted: bool
) -> None:
    assert TrustedProxies(TRUSTED).admits(Connection(ip, proxied)) is admitted  # type: ignore[arg-type]


def test_without_a_list_the_listener_itself_says_that_only_proxies_come() -> None:
    assert TrustedProxies(()).admits(Connection(STRANGER, True))  # type: ignore[arg-type]
