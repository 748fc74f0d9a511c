import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.user_keys import parse_user_keys
from rawserver.wire.list_lines import ListError

KEY = "0123456789abcdef"
OTHER = "fedcba9876543210"


@pytest.mark.parametrize(
    "data",
    [
        f"{KEY} ann\n{OTHER} bob the second\n",
        f"{KEY}\tann\r\n{OTHER}  bob the second  # since May",
        f"\ufeff# users\n{KEY} ann\n\n{OTHER} bob the second",
    ],
)
def test_a_key_and_a_name_a_line(data: str) -> None:
    assert parse_user_keys(data.encode()) == {KEY: "ann", OTHER: "bob the second"}


def test_a_user_may_have_two_keys_while_one_is_changed() -> None:
    assert parse_user_keys(f"{KEY} ann\n{OTHER} ann\n".encode()) == {KEY: "ann", OTHER: "ann"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (KEY, "must be followed by the name"),
        (KEY[:-1] + " ann", "16 to 128 characters, not 15"),
        ("k" * 129 + " ann", "16 to 128 characters, not 129"),
        ("secret/secret/secret ann", "only letters, digits"),
        ("sécretsécretsécret ann", "only letters, digits"),
        (OTHER + " " + "n" * 65, "up to 64 characters"),
        (OTHER + " a\x1b[1mnn", "all of them printable"),
        (KEY + " bob", "stands in a line above"),
    ],
)
def test_what_is_wrong_is_said_and_never_shows_a_key(line: str, reason: str) -> None:
    with pytest.raises(ListError, match=reason) as caught:
        parse_user_keys(f"{KEY} ann\n{line}\n".encode())
    assert caught.value.line == 2
    assert line.split()[0] not in str(caught.value)


@given(st.binary(max_size=200))
def test_random_bytes_are_a_list_or_a_list_error(data: bytes) -> None:
    try:
        parse_user_keys(data)
    except ListError:
        pass
