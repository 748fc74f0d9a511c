"""Folders in memory, and paths in them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import NamedTuple

from rawserver.simulation.file_content import FileContent

# Linux's limits: of a name, and of a path with the zero byte that ends it.
LONGEST_NAME = 255
LONGEST_PATH = 4096


class Folder:
    """Names and what they stand for. The root is its own parent."""

    __slots__ = ("entries", "modified_ns", "parent")

    def __init__(self, parent: Folder | None, modified_ns: int) -> None:
        self.parent: Folder = self if parent is None else parent
        self.entries: dict[str, Node] = {}
        self.modified_ns = modified_ns


Node = Folder | FileContent


class Place(NamedTuple):
    """What is at a path (None: nothing), and under which name of which folder."""

    folder: Folder
    name: str
    node: Node | None


def failure(number: int, path: str) -> OSError:
    """Return the system's error of a number, of the class that stands for it."""
    return OSError(number, os.strerror(number), path)


def look_up(root: Folder, path: str) -> Place:
    """Find a path, from the root if it is relative too.

    Raises ENOENT and ENOTDIR because of a folder on the way, and ENAMETOOLONG; ValueError for a
    zero byte. That the last name stands for nothing is no error.
    """
    names = _names(path)
    place = Place(root.parent, "", root)
    for number, name in enumerate(names):
        node = place.node
        if node is None:
            raise failure(errno.ENOENT, path)
        if not isinstance(node, Folder):
            raise failure(errno.ENOTDIR, path)
        if name == "." or not name:
            # What follows a name's last slash says only that it is a folder.
            continue
        if name == "..":
            place = Place(node.parent.parent, "", node.parent)
        elif len(os.fsencode(name)) > LONGEST_NAME:
            raise failure(errno.ENAMETOOLONG, path)
        else:
            place = Place(node, name, node.entries.get(name))
            if place.node is None and number < len(names) - 1:
                raise failure(errno.ENOENT, path)
    return place


def _names(path: str) -> list[str]:
    if "\0" in path:
        raise ValueError("embedded null byte")
    if not path:
        raise failure(errno.ENOENT, path)
    if len(os.fsencode(path)) >= LONGEST_PATH:
        raise failure(errno.ENAMETOOLONG, path)
    return path.split("/")


def normal_path(path: str) -> str:
    """Return the one way to write a path, which faults are compared by."""
    names: list[str] = []
    for name in path.split("/"):
        if name == "..":
            del names[-1:]
        elif name not in ("", "."):
            names.append(name)
    return "/" + "/".join(names)


def walk(folder: Folder) -> Iterator[tuple[tuple[str, ...], FileContent]]:
    """Yield the files below a folder with the names that lead to them, sorted by their bytes."""
    found: list[tuple[tuple[str, ...], FileContent]] = []
    waiting: list[tuple[tuple[str, ...], Folder]] = [((), folder)]
    while waiting:
        above, inner = waiting.pop()
        for name, node in inner.entries.items():
            if isinstance(node, Folder):
                waiting.append(((*above, name), node))
            else:
                found.append(((*above, name), node))
    yield from sorted(found, key=lambda item: [os.fsencode(name) for name in item[0]])
