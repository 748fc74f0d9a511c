"""A tracker's state: written, read back, cut short, and damaged in every place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.services.tracker.state_format import (
    MAGIC,
    StateFileError,
    read_sections,
    write_sections,
)

SECTIONS = [("peers", [b"one", b"", b"two" * 100]), ("users", []), ("x", [b"\0"])]
READ = [("peers", [b"one", b"two" * 100]), ("users", []), ("x", [b"\0"])]
STATE = b"".join(write_sections(1_700_000_000.25, SECTIONS))


def test_what_is_written_is_read() -> None:
    assert read_sections(STATE) == (1_700_000_000.25, READ)
    assert read_sections(b"".join(write_sections(0, []))) == (0, [])


def test_it_is_made_bit_by_bit() -> None:
    parts = write_sections(0, [("peers", (block for block in [b"a", b"b"]))])
    assert len(list(parts)) > 3


@pytest.mark.parametrize("length", range(len(STATE)))
def test_a_state_cut_short_is_refused(length: int) -> None:
    with pytest.raises(StateFileError):
        read_sections(STATE[:length])


def test_what_goes_on_after_its_end_is_refused() -> None:
    with pytest.raises(StateFileError, match="goes on after its end"):
        read_sections(STATE + b"\0")


def test_a_block_that_changed_is_noticed() -> None:
    place = STATE.index(b"twotwo")
    with pytest.raises(StateFileError, match="section 'peers'"):
        read_sections(STATE[:place] + b"T" + STATE[place + 1 :])


def test_another_version_is_no_state() -> None:
    with pytest.raises(StateFileError, match="not a tracker's state of this version"):
        read_sections(STATE.replace(b"state 1", b"state 2"))


@given(st.binary())
def test_nothing_else_is_raised_for_any_bytes(data: bytes) -> None:
    for state in (data, MAGIC + data, STATE[: len(data)] + data):
        try:
            read_sections(state)
        except StateFileError as error:
            assert "\n" not in str(error)  # noqa: PT017
