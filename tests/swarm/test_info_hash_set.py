import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.info_hash_set import InfoHashSet, parse_info_hashes
from rawserver.wire.list_lines import ListError

HASH = bytes(range(20))
OTHER = bytes(range(100, 120))
HASHES = st.binary(min_size=20, max_size=20)


def test_an_empty_set_has_nothing() -> None:
    assert len(InfoHashSet()) == 0
    assert HASH not in InfoHashSet()


@given(st.lists(HASHES), HASHES)
def test_it_holds_what_a_set_holds(listed: list[bytes], other: bytes) -> None:
    found = InfoHashSet(listed)
    assert len(found) == len(set(listed))
    assert all(info_hash in found for info_hash in listed)
    assert (other in found) == (other in set(listed))


@given(st.sets(st.integers(0, 255), max_size=40), st.integers(0, 2**31))
def test_hashes_that_begin_alike_are_told_apart(endings: set[int], seed: int) -> None:
    # All in one slot, and made of so few different bytes that they are found across each other.
    chance = random.Random(seed)
    listed = {bytes(18) + bytes([chance.randrange(2), ending]) for ending in endings}
    found = InfoHashSet(listed)
    for first in range(2):
        for last in range(256):
            info_hash = bytes(18) + bytes([first, last])
            assert (info_hash in found) == (info_hash in listed)


def test_what_lies_across_two_is_not_found() -> None:
    found = InfoHashSet([b"\0" * 20, b"\0" * 10 + b"\1" * 10])
    assert b"\0" * 15 + b"\1" * 5 not in found
    assert b"\0" * 19 + b"\1" not in found


def test_only_hashes_are_in_it() -> None:
    found = InfoHashSet([HASH])
    assert HASH[:19] not in found
    assert HASH.hex() not in found
    assert 7 not in found
    with pytest.raises(ValueError, match="20 bytes, not 19"):
        InfoHashSet([HASH[:19]])


def test_a_list_in_every_notation() -> None:
    text = "\r\n".join(
        [
            "\ufeff# allowed",
            HASH.hex().upper() + "   # the first",
            "",
            base64.b32encode(OTHER).decode().lower(),
            (b"v" * 32).hex(),
        ]
    )
    found = parse_info_hashes(text.encode())
    assert len(found) == 3
    assert HASH in found
    assert OTHER in found
    assert b"v" * 20 in found


@pytest.mark.parametrize(
    "line",
    [
        "x" * 40,
        HASH.hex()[:-1],
        HASH.hex() + " and more",
        "1" * 32,
        "\u0131" * 32,
        "é" * 40,
        "0 " * 20,
    ],
)
def test_a_line_that_is_no_hash_is_said(line: str) -> None:
    with pytest.raises(ListError, match="is no info-hash") as caught:
        parse_info_hashes(f"{HASH.hex()}\n{line}\n".encode())
    assert caught.value.line == 2
    assert str(caught.value).isascii()


@given(st.binary(max_size=200))
def test_random_bytes_are_a_list_or_a_list_error(data: bytes) -> None:
    try:
        parse_info_hashes(data)
    except ListError:
        pass


@given(st.lists(HASHES, max_size=5), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_a_list_is_read_however_it_is_written(
    listed: list[bytes], end: str, mark: bool, closed: bool
) -> None:
    text = end.join(info_hash.hex() for info_hash in listed) + (end if closed else "")
    found = parse_info_hashes((text if not mark else "\ufeff" + text).encode())
    assert len(found) == len(set(listed))
    assert all(info_hash in found for info_hash in listed)
