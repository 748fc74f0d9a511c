import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.cli.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe 大.iso", "größe 大.iso"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("cod\u202egpj.exe", "cod\\u202egpj.exe"),
        ("bytes \udcff", "bytes \\udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_written_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_the_result_is_one_line_that_can_be_encoded(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
