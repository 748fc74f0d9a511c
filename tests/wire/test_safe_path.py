"""Hostile names: what is refused, what is mended, and that nothing ever leaves the folder."""

import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rawserver.wire.safe_path import (
    UnsafePathError,
    clean_component,
    clean_path,
    quote,
    separate_paths,
)

TRICKY = st.sampled_from(["..", ".", "/", "\\", "\0", "\n", " ", "a", "é", "CON", ":", "\u202e"])
NAMES = st.lists(TRICKY, max_size=4).map(lambda parts: "".join(parts).encode()) | st.binary(
    max_size=300
)


@pytest.mark.parametrize(
    "name",
    ["a", "file.txt", ".hidden", "...", "..a", "a..b", "a b", " a", "a.", "a ", "é", "日本",
     "aux.c", "CON", "a:b", "~", "-rf", "x" * 255],
)  # fmt: skip
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert clean_path([name.encode()]) == ((name,), ())
    assert clean_path([name]) == ((name,), ())


@pytest.mark.parametrize(
    ("components", "reason"),
    [
        ([b".."], "would leave its folder"),
        ([b"a", b"..", b"b"], "would leave its folder"),
        ([b"..\\a"], "would leave its folder"),
        ([b"a\\..\\..\\b"], "would leave its folder"),
        ([b"/etc"], "path separator"),
        ([b"a/b"], "path separator"),
        ([b"a/../../b"], "path separator"),
        ([b"a\0b"], "NUL"),
        ([], "no parts"),
        ([b"", b"."], "no parts"),
        ([b"a"] * 101, "101 parts"),
    ],
)
def test_refuses_what_could_escape(components: list[bytes], reason: str) -> None:
    with pytest.raises(UnsafePathError, match=reason) as caught:
        clean_path(components)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "mended"),
    [
        (b"a\nb", "a_b"),
        (b"a\\b", "a_b"),
        (b"C:\\a", "C:_a"),
        (b"\x1b[31m", "_[31m"),
        ("\u202egpj.exe".encode(), "_gpj.exe"),
        (b"caf\xe9", "caf\ufffd"),
        (b"x" * 300, "x" * 255),
        (b"x" * 300 + b".tar", "x" * 251 + ".tar"),
        ("é".encode() * 200, "é" * 127),
        (b"x" + b"." + b"y" * 300, "x." + "y" * 253),
        ("\ud800", "?"),
    ],
)
def test_mends_what_is_only_odd_and_says_so(name: bytes | str, mended: str) -> None:
    path = clean_path([name])
    assert path.parts == (mended,)
    assert len(path.notes) == 1


def test_leaves_out_parts_that_mean_no_folder() -> None:
    path = clean_path([b"a", b"", b".", b"b"])
    assert path.parts == ("a", "b")
    assert len(path.notes) == 2


@pytest.mark.parametrize(
    ("name", "mended"),
    [
        ("CON", "CON_"),
        ("nul.txt", "nul_.txt"),
        ("aux.c", "aux_.c"),
        ("COM1", "COM1_"),
        ("COM10", "COM10"),
        ("console", "console"),
        ("a.", "a_"),
        ("a. .", "a_"),
        ("...", "_"),
        ("a:b?", "a_b_"),
    ],
)
def test_names_that_windows_cannot_store_are_mended_on_request(name: str, mended: str) -> None:
    assert clean_component(name, windows=True) == mended


@given(st.lists(NAMES, max_size=5), st.booleans())
def test_no_cleaned_path_leaves_the_folder(components: list[bytes], windows: bool) -> None:
    try:
        path = clean_path(components, windows)
    except UnsafePathError:
        return
    for separator in ("/", "\\"):
        joined = "root" + separator + separator.join(path.parts)
        normal = posixpath.normpath(joined.replace("\\", "/"))
        assert normal.split("/") == ["root", *path.parts]
    for part in path.parts:
        assert 1 <= len(part.encode()) <= 255
        assert part.isprintable() or not any(ord(character) < 32 for character in part)
    assert clean_path(path.parts, windows) == (path.parts, ())
    assert all(note.isprintable() for note in path.notes)


@given(st.text() | NAMES)
@example(b"\xff" * 500)
@example("\U0001f600" * 500)
def test_quoted_text_is_one_short_harmless_line(text: str | bytes) -> None:
    assert quote(text).isascii()
    assert quote(text).isprintable()
    assert len(quote(text)) <= 82


def separate(*paths: str, padding: int = -1) -> list[str]:
    parts = [tuple(path.split("/")) for path in paths]
    result, notes = separate_paths(parts, [index == padding for index in range(len(parts))])
    changed = sum(before != after for before, after in zip(parts, result, strict=True))
    assert len(notes) == changed
    return ["/".join(path) for path in result]


def test_the_second_of_two_alike_is_renamed() -> None:
    assert separate("a.txt", "a.txt", "a.txt") == ["a.txt", "a.1.txt", "a.2.txt"]
    assert separate("d/a", "a", "d/a") == ["d/a", "a", "d/a.1"]
    assert separate(".a", ".a") == [".a", ".a.1"]
    assert separate("a", "A") == ["a", "A"]


def test_a_new_name_takes_no_other_files_name() -> None:
    assert separate("a", "a", "a.1") == ["a", "a.2", "a.1"]
    assert separate("a.1", "a.1", "a", "a", "a.2/b") == ["a.1", "a.1.1", "a", "a.3", "a.2/b"]


def test_a_file_that_is_also_a_folder_is_renamed_wherever_it_stands() -> None:
    assert separate("a", "a/b") == ["a.1", "a/b"]
    assert separate("a/b/c", "a/b", "a/b/d") == ["a/b/c", "a/b.1", "a/b/d"]


def test_padding_may_share_a_name() -> None:
    assert separate("x", "x", padding=1) == ["x", "x"]
    assert separate("x", "x/y", padding=1) == ["x", "x/y"]


def test_renames_are_limited() -> None:
    with pytest.raises(UnsafePathError, match="more than 500"):
        separate(*["a"] * 502)
    assert len(set(separate(*["a"] * 501))) == 501


def test_a_long_name_stays_within_the_limit() -> None:
    first, second = separate("x" * 255, "x" * 255)
    assert (first, second) == ("x" * 255, "x" * 253 + ".1")


@given(st.lists(st.lists(st.sampled_from(["a", "b", "a.1"]), min_size=1, max_size=3), max_size=8))
def test_separated_paths_can_all_exist_together(lists: list[list[str]]) -> None:
    paths = [tuple(path) for path in lists]
    result, _ = separate_paths(paths, [False] * len(paths))
    folders = {path[:depth] for path in result for depth in range(1, len(path))}
    assert len(set(result)) == len(paths)
    assert not folders & set(result)
