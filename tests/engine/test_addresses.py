import socket

import pytest

from rawserver.engine.addresses import literal_address, peer_of, unix_address


@pytest.mark.parametrize(
    ("host", "family", "address"),
    [
        ("127.0.0.1", socket.AF_INET, ("127.0.0.1", 80)),
        ("::1", socket.AF_INET6, ("::1", 80, 0, 0)),
        ("fe80::1%7", socket.AF_INET6, ("fe80::1", 80, 0, 7)),
    ],
)
def test_a_written_address_needs_no_look_up(host: str, family: int, address: object) -> None:
    assert literal_address(host, 80) == (family, address)


@pytest.mark.parametrize("host", ["localhost", "", "1.2.3", "1.2.3.4.5", "fe80::1%nosuchlink"])
def test_whatever_else_is_a_name(host: str) -> None:
    assert literal_address(host, 80) is None


# Strangers send such hosts. Given to `connect`, one would be looked up on the loop.
@pytest.mark.parametrize(
    "host", ["1.2.3.4%x", "1.2.3.4%7", "1.2.3.4%", "::1%\u00b2", "::1%a\0b", "::1%" + "9" * 5000]
)
def test_a_scope_that_cannot_be_makes_it_a_name(host: str) -> None:
    assert literal_address(host, 80) is None


def test_the_peer_is_shown_as_people_write_it() -> None:
    assert peer_of(("1.2.3.4", 5)) == ("1.2.3.4", 5)
    assert peer_of(("::ffff:1.2.3.4", 5, 0, 0)) == ("1.2.3.4", 5)
    assert peer_of(("::1", 5, 0, 0)) == ("::1", 5)
    assert peer_of("/a/path") == ("", 0)
    assert peer_of(b"\0abstract") == ("", 0)


def test_an_abstract_name_of_a_unix_socket_may_be_written_with_an_at_sign() -> None:
    assert unix_address("/run/s") == (socket.AF_UNIX, "/run/s")
    assert unix_address("./@s") == (socket.AF_UNIX, "./@s")
    assert unix_address("@s") == unix_address("\0s") == (socket.AF_UNIX, "\0s")
