import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.wire.list_lines import MAX_LINE_LENGTH, ListError, list_lines


def lines(data: bytes) -> list[tuple[int, str]]:
    return list(list_lines(data))


@pytest.mark.parametrize(
    "data",
    [
        b"one\ntwo words\n",
        b"one\ntwo words",
        b"one\r\ntwo words\r\n",
        b"\xef\xbb\xbfone\ntwo words",
        b"  one \t\n\ttwo words  # why\n",
        b"one # a comment\r\ntwo words\t#another\r\n#the last",
    ],
)
def test_lines_are_the_same_whatever_an_editor_puts_around_them(data: bytes) -> None:
    assert lines(data) == [(1, "one"), (2, "two words")]


def test_lines_that_say_nothing_count_and_are_left_out() -> None:
    assert lines(b"# head\n\n \t\r\nfour\n  # five\n6") == [(4, "four"), (6, "6")]
    assert lines(b"") == []
    assert lines(b"\xef\xbb\xbf") == []


def test_a_sign_within_a_word_begins_no_comment() -> None:
    assert lines(b"a#b c## #d#\n") == [(1, "a#b c##")]


def test_what_is_no_text_is_said_with_its_line() -> None:
    with pytest.raises(ListError, match="line 2: is not text in UTF-8") as caught:
        lines(b"fine\n\xff\xfe\n")
    assert caught.value.line == 2
    assert caught.value.reason == "is not text in UTF-8"


def test_a_line_has_its_limit() -> None:
    assert lines(b"x" * MAX_LINE_LENGTH) == [(1, "x" * MAX_LINE_LENGTH)]
    with pytest.raises(ListError, match="line 1: has more than"):
        lines(b"x" * (MAX_LINE_LENGTH + 1))


@given(st.binary(max_size=200))
def test_random_bytes_are_lines_or_a_list_error(data: bytes) -> None:
    found: list[tuple[int, str]] = []
    try:
        found.extend(list_lines(data))
    except ListError as error:
        found.append((error.line, "bad"))
    assert all(text == text.strip(" \t\r") != "" for _, text in found)
    assert [number for number, _ in found] == sorted({number for number, _ in found})
    assert len(found) <= data.count(b"\n") + 1
