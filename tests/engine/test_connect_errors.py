import errno
import os

import pytest

from kit.scripted_network import ipv4, ipv6
from rawserver.engine.connect_errors import MOST_NAMED, ConnectErrors, address_text

ONE, OTHER = ipv6(1).address, ipv4(1).address


def fault(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize("late", [errno.ENETUNREACH, errno.ETIMEDOUT, errno.EAFNOSUPPORT])
def test_an_answer_tells_more_than_none(late: int) -> None:
    for codes in ((errno.ECONNREFUSED, late), (late, errno.ECONNREFUSED)):
        errors = ConnectErrors()
        for address, code in zip((ONE, OTHER), codes, strict=True):
            errors.add(address, fault(code))
        assert isinstance(errors.most_telling(), ConnectionRefusedError)


def test_no_answer_tells_more_than_no_way() -> None:
    errors = ConnectErrors()
    errors.add(ONE, fault(errno.ENETUNREACH))
    errors.add(OTHER, fault(errno.ETIMEDOUT))
    assert isinstance(errors.most_telling(), TimeoutError)


def test_the_first_of_those_that_tell_as_much() -> None:
    errors = ConnectErrors()
    errors.add(ONE, fault(errno.ECONNRESET))
    errors.add(OTHER, fault(errno.ECONNREFUSED))
    assert isinstance(errors.most_telling(), ConnectionResetError)


def test_one_alone_is_given_as_it_was() -> None:
    errors = ConnectErrors()
    error = fault(errno.ECONNREFUSED)
    errors.add(ONE, error)
    assert errors.most_telling() is error


def test_several_are_named_with_what_was_found_there() -> None:
    errors = ConnectErrors()
    errors.add(ONE, fault(errno.ENETUNREACH))
    errors.add(OTHER, fault(errno.ECONNREFUSED))
    assert str(errors.most_telling()).endswith(
        "Connection refused (tried [2001:db8::1]:80: Network is unreachable; "
        "192.0.2.1:80: Connection refused)"
    )


def test_one_that_is_no_system_error_keeps_its_kind() -> None:
    errors = ConnectErrors()
    error = OverflowError("port must be 0-65535")
    for address in (ONE, OTHER):
        errors.add(address, error)
    assert errors.most_telling() is error
    assert error.__notes__ == [
        "(tried [2001:db8::1]:80: port must be 0-65535; 192.0.2.1:80: port must be 0-65535)"
    ]


def test_of_very_many_the_first_are_named() -> None:
    errors = ConnectErrors()
    for number in range(40):
        errors.add(ipv4(number).address, fault(errno.ECONNREFUSED))
    text = str(errors.most_telling())
    assert text.count("192.0.2.") == MOST_NAMED
    assert text.endswith("; 32 more)")


def test_a_name_without_an_address_says_so() -> None:
    assert ConnectErrors().most_telling().errno == errno.EADDRNOTAVAIL  # type: ignore[attr-defined]


def test_too_late_names_those_that_had_not_answered() -> None:
    errors = ConnectErrors()
    assert errors.too_late(3.0, []).strerror == "no answer within 3 seconds"
    errors.add(ONE, fault(errno.ECONNREFUSED))
    error = errors.too_late(0.5, [OTHER])
    assert error.errno == errno.ETIMEDOUT
    assert error.strerror == (
        "no answer within 0.5 seconds "
        "(tried [2001:db8::1]:80: Connection refused; 192.0.2.1:80: no answer)"
    )


def test_addresses_as_people_write_them() -> None:
    assert address_text(("192.0.2.1", 80)) == "192.0.2.1:80"
    assert address_text(("fe80::1", 80, 0, 2)) == "[fe80::1]:80"
    assert address_text("/run/it") == "/run/it"
