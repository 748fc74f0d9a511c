"""Bencoding: what is canonical, what is refused and why, and where values stand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawserver.wire.bencode import BencodeError, Limits, decode, decode_document, encode

INTEGERS = st.integers(-(10**20) + 1, 10**20 - 1)
VALUES = st.recursive(
    INTEGERS | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"i0e", 0),
        (b"i-1e", -1),
        (b"i42e", 42),
        (b"i18446744073709551615e", 2**64 - 1),
        (b"0:", b""),
        (b"4:spam", b"spam"),
        (b"10:0123456789", b"0123456789"),
        (b"le", []),
        (b"de", {}),
        (b"ldelee", [{}, []]),
        (b"l4:spami7ee", [b"spam", 7]),
        (b"d0:i1e1:ai2ee", {b"": 1, b"a": 2}),
        (b"d1:ad1:bleee", {b"a": {b"b": []}}),
    ],
)
def test_values_and_their_one_spelling(data: bytes, value: object) -> None:
    assert decode(data) == value
    assert encode(value) == data
    assert decode(bytearray(data)) == value
    assert decode(memoryview(data)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"i01e", b"i-0e", b"i-01e", b"i+1e", b"i 1e", b"i1 e", b"i1_0e", b"ie", b"i-e", b"i--1e",
        "i\u0661e".encode(), b"i1.0e", b"i0x1e", b"i1", b"i1:",
        b"01:a", b"00:", b"-1:", b"+1:a", b" 1:a", b"1 :a", b":", b"1", b"2:a", b"1_0:aaaaaaaaaa",
        "\u0661:a".encode(), b"99999999999999999999999999:a", b"9" * 6000 + b":a",
        b"", b"e", b"x", b"n", b"l", b"d", b"lee", b"dee", b"di1ei2ee", b"dlei2ee", b"ddei2ee",
        b"d1:ae", b"d1:a", b"d1:a1:b", b"l1:a", b"d1:ai1e1:ai2ee", b"d1:bi1e1:ai2ee",
        b"d0:i1e0:i2ee", b"i1ei2e", b"4:spamx", b"dei0e",
    ],
)  # fmt: skip
def test_refuses_what_is_not_canonical(data: bytes) -> None:
    with pytest.raises(BencodeError, match=r"at byte \d+$"):
        decode(data)


def test_the_error_says_what_and_where() -> None:
    with pytest.raises(BencodeError) as caught:
        decode(b"d1:ai01ee")
    assert caught.value.offset == 4
    assert "integer" in caught.value.reason
    with pytest.raises(BencodeError, match=r"the key 'a' comes twice at byte 7$"):
        decode(b"d1:ai1e1:ai2ee")


@pytest.mark.parametrize("data", [b"i1", b"l" * 100_000, b"d1:a" * 100_000, b"1" * 100_000])
def test_hostile_data_ends_in_an_error_and_no_recursion(data: bytes) -> None:
    with pytest.raises(BencodeError):
        decode(data)


def test_depth_is_limited_exactly() -> None:
    assert decode(b"l" * 100 + b"e" * 100)
    with pytest.raises(BencodeError, match="more than 100 deep at byte 100"):
        decode(b"l" * 101 + b"e" * 101)
    deep = Limits(depth=50_000)
    assert decode(b"l" * 50_000 + b"e" * 50_000, deep)


def test_tokens_are_limited_keys_included() -> None:
    assert decode(b"li1ei2ee", Limits(tokens=3)) == [1, 2]
    with pytest.raises(BencodeError, match="more than 3 values"):
        decode(b"li1ei2ei3ee", Limits(tokens=3))
    assert decode(b"d1:ai1e1:bi2ee", Limits(tokens=5)) == {b"a": 1, b"b": 2}
    with pytest.raises(BencodeError, match="more than 3 values"):
        decode(b"d1:ai1e1:bi2ee", Limits(tokens=3))


def test_size_is_limited() -> None:
    assert decode(b"4:spam", Limits(size=6)) == b"spam"
    with pytest.raises(BencodeError, match="6 bytes are more than the limit of 5"):
        decode(b"4:spam", Limits(size=5))


def test_integer_digits_are_limited_without_the_sign() -> None:
    assert decode(b"i-" + b"9" * 20 + b"e") == -(10**20) + 1
    with pytest.raises(BencodeError, match="more than 20 digits"):
        decode(b"i" + b"9" * 21 + b"e")
    with pytest.raises(BencodeError, match="more than 20 digits"):
        decode(b"i" + b"9" * 9000 + b"e")


def test_unsorted_keys_are_reported_if_allowed_and_doubled_keys_never_allowed() -> None:
    document = decode_document(b"d1:bi1e1:ai2ee", allow_unsorted=True)
    assert document.value == {b"b": 1, b"a": 2}
    assert document.unsorted
    assert not decode_document(b"d1:ai1e1:bi2ee", allow_unsorted=True).unsorted
    with pytest.raises(BencodeError, match="twice"):
        decode_document(b"d1:bi1e1:ai2e1:bi3ee", allow_unsorted=True)
    assert decode_document(b"d1:ad1:yi1e1:xi2eee", allow_unsorted=True).unsorted


def test_order_is_watched_again_after_an_inner_dictionary() -> None:
    with pytest.raises(BencodeError, match="'b' is out of order"):
        decode(b"d1:cd1:ai1ee1:bi2ee")


def test_spans_are_of_the_outermost_dictionary_only() -> None:
    data = b"d1:ad1:ai1ee4:infod1:bi1e1:ali2eee1:zi0ee"
    document = decode_document(data, allow_unsorted=True)
    assert set(document.spans) == {b"a", b"info", b"z"}
    start, end = document.spans[b"info"]
    assert data[start:end] == b"d1:bi1e1:ali2eee"
    assert decode_document(b"ld1:ai1eee").spans == {}


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("é", b"2:\xc3\xa9"),
        (bytearray(b"ab"), b"2:ab"),
        (memoryview(b"ab"), b"2:ab"),
        ((1, "a"), b"li1e1:ae"),
        ({"b": 1, b"a": 2}, b"d1:ai2e1:bi1ee"),
        ({"\U00010000": 1, "\uffff": 2}, b"d3:\xef\xbf\xbfi2e4:\xf0\x90\x80\x80i1ee"),
    ],
)
def test_encode_takes_what_python_has(value: object, data: bytes) -> None:
    assert encode(value) == data


@pytest.mark.parametrize("value", [True, False, None, 1.0, {1: 2}, [None], {"a": True}, {1}])
def test_encode_refuses_what_has_no_bencoding(value: object) -> None:
    with pytest.raises(TypeError):
        encode(value)


def test_encode_refuses_a_key_in_two_spellings_and_a_cycle() -> None:
    with pytest.raises(ValueError, match="twice"):
        encode({"a": 1, b"a": 2})
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(ValueError, match="inside one another"):
        encode(cycle)


@given(VALUES)
def test_round_trip(value: object) -> None:
    assert decode(encode(value)) == value


@given(VALUES, st.binary(min_size=1, max_size=4))
def test_a_tail_is_an_error(value: object, tail: bytes) -> None:
    with pytest.raises(BencodeError):
        decode(encode(value) + tail)


@given(VALUES)
@settings(max_examples=40)
def test_every_truncation_is_an_error(value: object) -> None:
    data = encode(value)
    for length in range(len(data)):
        with pytest.raises(BencodeError):
            decode(data[:length])


@given(st.lists(st.sampled_from([b"d", b"l", b"e", b"i", b"-", b"0", b"1", b"2:ab", b":"])))
def test_whatever_is_accepted_is_the_only_spelling(parts: list[bytes]) -> None:
    data = b"".join(parts)
    try:
        value = decode(data)
    except BencodeError:
        return
    assert encode(value) == data


@given(st.dictionaries(st.binary(max_size=6), VALUES, max_size=5))
def test_each_span_decodes_to_its_value(value: dict[bytes, object]) -> None:
    data = encode(value)
    for key, (start, end) in decode_document(data).spans.items():
        assert decode(data[start:end]) == value[key]


SMALL = st.recursive(
    st.integers(-(2**62), 2**62) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.binary(max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(SMALL, st.data())
def test_what_we_accept_another_decoder_reads_alike(value: object, data: st.DataObject) -> None:
    libtorrent = pytest.importorskip("libtorrent")
    encoded = bytearray(encode(value))
    for _ in range(data.draw(st.integers(0, 2))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(
            st.sampled_from(b"deil01:-")
        )
    try:
        ours = decode(encoded)
    except BencodeError:
        return
    assert libtorrent.bdecode(bytes(encoded)) == ours
