import errno
import socket
from typing import Any

import pytest

from kit.hosts import code_of
from rawserver.simulation import socket_addresses
from rawserver.simulation.socket_addresses import (
    PLAIN_HOSTS,
    canonical_ip,
    check_family,
    endpoint_of,
    is_loopback,
    is_multicast,
    is_plain_host,
    shown,
)

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("FD00::0001", "fd00::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:a00:1", "10.0.0.1"),
    ],
)
def test_an_ip_has_one_form(text: str, ip: str) -> None:
    assert canonical_ip(text) == ip


@pytest.mark.parametrize("text", ["", "10.0.0", "::g", "host"])
def test_what_is_no_ip_is_refused(text: str) -> None:
    with pytest.raises(OSError, match="illegal"):
        canonical_ip(text)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("10.0.0.1", True),
        ("010.0.0.1", False),
        ("10.1", False),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("239.1.2.3", False),
        ("fd00::1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_plain_hosts(text: str, is_plain: bool) -> None:
    assert is_plain_host(text) == is_plain == (text in PLAIN_HOSTS)


def test_plain_hosts_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_addresses, "MOST_PLAIN_HOSTS", 3)
    for number in range(10):
        assert is_plain_host(f"10.9.9.{number}")
        assert len(PLAIN_HOSTS) <= 3


def test_kinds_of_ips() -> None:
    assert [is_loopback(ip) for ip in ("127.0.0.1", "127.1.2.3", "::1", "10.0.0.1", "::")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert [is_multicast(ip) for ip in ("239.1.2.3", "ff02::1", "240.0.0.1", "fe80::1")] == [
        True, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("family", "address", "endpoint"),
    [
        (V4, ("10.0.0.1", 80), ("10.0.0.1", 80)),
        (V4, ("", 80), ("0.0.0.0", 80)),
        (V4, ("localhost", 80), ("127.0.0.1", 80)),
        (V6, ("::1", 80), ("::1", 80)),
        (V6, ("", 0, 0, 0), ("::", 0)),
        (V6, ("localhost", 1), ("::1", 1)),
        (V6, ("fe80::1%2", 1, 0, 2), ("fe80::1", 1)),
        (V6, ("::ffff:10.0.0.1", 80), ("10.0.0.1", 80)),
    ],
)
def test_what_an_address_says(family: int, address: Any, endpoint: tuple[str, int]) -> None:
    assert endpoint_of(family, address, "bind") == endpoint


@pytest.mark.parametrize(
    ("family", "address", "error"),
    [
        (V4, "10.0.0.1", TypeError),
        (V4, ("10.0.0.1",), TypeError),
        (V4, ("10.0.0.1", 1, 0), TypeError),
        (V4, ("10.0.0.1", "80"), TypeError),
        (V4, ("10.0.0.1", 65536), OverflowError),
        (V4, ("10.0.0.1", -1), OverflowError),
        (V4, ("::1", 80), socket.gaierror),
        (V6, ("10.0.0.1", 80), socket.gaierror),
        (V4, ("tracker.example", 80), socket.gaierror),
    ],
)
def test_what_is_no_address_fails_as_with_a_real_socket(
    family: int, address: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        endpoint_of(family, address, "bind")
    if address[0] != "tracker.example":  # which would ask a real name server
        with socket.socket(family) as real, pytest.raises(error):
            real.bind(address)


def test_ipv4_is_shown_mapped_on_ipv6() -> None:
    assert shown(V4, ("10.0.0.1", 80)) == ("10.0.0.1", 80)
    assert shown(V6, ("10.0.0.1", 80)) == ("::ffff:10.0.0.1", 80, 0, 0)
    assert shown(V6, ("fd00::1", 80)) == ("fd00::1", 80, 0, 0)


def test_ipv6_alone_does_not_reach_ipv4() -> None:
    assert code_of(check_family, V6, "10.0.0.1", True) == errno.ENETUNREACH
    check_family(V6, "10.0.0.1", False)
    check_family(V6, "fd00::1", True)
    check_family(V4, "10.0.0.1", False)
