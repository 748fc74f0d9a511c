"""Paths lead where POSIX says."""

import errno
import os

import pytest

from rawserver.simulation.file_content import FileContent
from rawserver.simulation.folder import LONGEST_PATH, Folder, look_up, normal_path, walk


def tree() -> Folder:
    root = Folder(None, 0)
    root.entries["a"] = inner = Folder(root, 0)
    root.entries["b"] = FileContent(0)
    inner.entries["c"] = FileContent(0)
    return root


@pytest.mark.parametrize("path", ["a/c", "/a/c", "a//c", "./a/./c", "a/../a/c", "../../a/c"])
def test_ways_to_a_file(path: str) -> None:
    root = tree()
    place = look_up(root, path)
    inner = root.entries["a"]
    assert isinstance(inner, Folder)
    assert place.folder is inner
    assert place.name == "c"
    assert place.node is inner.entries["c"]
    assert normal_path(path) == "/a/c"


@pytest.mark.parametrize("path", ["/", "a/..", ".", "/.."])
def test_ways_to_the_root(path: str) -> None:
    root = tree()
    assert look_up(root, path).node is root
    assert normal_path(path) == "/"


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("", errno.ENOENT),
        ("x/y", errno.ENOENT),
        ("x/", errno.ENOENT),
        ("b/", errno.ENOTDIR),
        ("b/..", errno.ENOTDIR),
        ("b/x", errno.ENOTDIR),
        ("é" * 128, errno.ENAMETOOLONG),
        ("a/" * (LONGEST_PATH // 2), errno.ENAMETOOLONG),
    ],
)
def test_ways_to_nothing(path: str, number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        look_up(tree(), path)
    assert caught.value.errno == number


def test_what_may_be_made_is_no_error() -> None:
    root = tree()
    assert look_up(root, "new") == (root, "new", None)


def test_a_walk_is_sorted_whatever_came_first() -> None:
    root = Folder(None, 0)
    for name in ("b", "a-", "\U0001f600", "\uffee", "a"):
        root.entries[name] = FileContent(0)
    assert [names for names, _ in walk(root)] == [
        ("a",), ("a-",), ("b",), ("\uffee",), ("\U0001f600",)
    ]  # fmt: skip
