from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.announce_request import AnnounceError
from rawserver.wire.udp_tracker_options import (
    MAX_URL_DATA_LENGTH,
    decode_url_data,
    encode_url_data,
)

PATHS = st.text(st.characters(max_codepoint=127), max_size=MAX_URL_DATA_LENGTH)


@given(PATHS, st.binary(max_size=5))
def test_what_is_encoded_is_decoded(path: str, before: bytes) -> None:
    encoded = encode_url_data(path)
    assert decode_url_data(encoded) == path
    assert decode_url_data(before + encoded, len(before)) == path
    assert decode_url_data(encoded + b"\0what comes after the end") == path


def test_the_bytes_are_those_of_the_proposal() -> None:
    assert encode_url_data("") == b""
    assert encode_url_data("/dir?a=b&c=d") == b"\x02\x0c/dir?a=b&c=d"
    assert encode_url_data("x" * 256) == b"\x02\xff" + b"x" * 255 + b"\x02\x01x"


@pytest.mark.parametrize(
    ("options", "path"),
    [
        (b"", ""),
        (b"\0", ""),
        (b"\0\0", ""),
        (b"\1\1\1", ""),
        (b"\x02\0", ""),
        (b"\1\x02\1/\1\x02\3key\0\x02\1x", "/key"),
        (b"\x07\x03abc\x02\1/", "/"),
        (b"\x02\x01\xff", "\xff"),
    ],
)
def test_options_are_put_together(options: bytes, path: str) -> None:
    assert decode_url_data(options) == path


def test_an_option_that_is_cut_short_is_refused_wherever_it_is_cut() -> None:
    options = encode_url_data("/announce")
    for length in range(1, len(options)):
        with pytest.raises(AnnounceError, match="option 2 of the announce is cut short"):
            decode_url_data(options[:length])


def test_a_path_has_a_longest_length() -> None:
    longest = "x" * MAX_URL_DATA_LENGTH
    assert decode_url_data(encode_url_data(longest)) == longest
    with pytest.raises(AnnounceError, match="more than 1024 bytes"):
        decode_url_data(encode_url_data(longest) + b"\x02\1x")
    with pytest.raises(ValueError, match="more than 1024 bytes"):
        encode_url_data(longest + "x")


@given(st.binary(max_size=300))
def test_any_rubbish_is_read_or_refused(rubbish: bytes) -> None:
    with suppress(AnnounceError):
        decode_url_data(rubbish)
