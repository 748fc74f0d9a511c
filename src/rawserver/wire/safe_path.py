"""Names from a .torrent made safe to open below one folder, or refused.

Refused is what no honest torrent holds and what is dangerous to guess about: leaving the folder,
NUL, absurd depth. Everything else odd is mended the same way every time, with a note that says so.
The dangers: CVE-2009-1760, CVE-2010-0012 and their many successors.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

# Linux, macOS and Windows all end at 255 (bytes or units) for one name.
LONGEST_COMPONENT = 255
# libtorrent's limit too. Each level is a directory to make: not for a stranger to choose freely.
DEEPEST_PATH = 100
# Each rename is a search for a free name; honest torrents have no duplicates at all.
MOST_RENAMES = 500
# A longer "extension" is not one, so it need not survive when a name is cut.
_LONGEST_EXTENSION = 16

# Control characters (they reach terminals), line separators, and the marks that make a name show
# backwards ("gpj.exe"). A backslash separates folders for other systems.
_ODD = re.compile("[\\\\\x01-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ODD_ON_WINDOWS = re.compile('[<>:"|?*]')
_RESERVED_ON_WINDOWS = re.compile(
    r"(?:con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]|conin\$|conout\$)"
    r"[ ]*(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)


class UnsafePathError(ValueError):
    """A path that is refused. One line: what is wrong with it, and the path."""


class SafePath(NamedTuple):
    """Parts that stay below a folder when joined, and what was changed to make them so."""

    parts: tuple[str, ...]
    notes: tuple[str, ...]


def quote(text: str | bytes) -> str:
    """Return hostile text on one line, in ASCII, with quotes, no longer than 82 characters."""
    text = text[:82]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    shown = ascii(text)
    return shown if len(shown) <= 82 else shown[:78] + "..." + shown[0]


def clean_path(components: Sequence[bytes | str], windows: bool = False) -> SafePath:
    """Make the components of one file's path safe.

    `windows`: also avoid what only Windows cannot store (reserved names such as CON or aux.c,
    trailing dots and blanks, `<>:"|?*`). Elsewhere such names are harmless and kept, since a
    download must have the names of its source (the Linux kernel has an aux.c).
    Raises UnsafePathError.
    """
    if len(components) > DEEPEST_PATH:
        raise UnsafePathError(
            f"a path has {len(components)} parts, more than the limit of {DEEPEST_PATH}"
        )
    parts: list[str] = []
    notes: list[str] = []
    for component in components:
        part = clean_component(component, windows)
        if not part:
            notes.append(f"the part {quote(component)} was left out of a path")
            continue
        parts.append(part)
        if component not in (part, part.encode()):
            notes.append(f"the name {quote(component)} was changed to {quote(part)}")
    if not parts:
        raise UnsafePathError("a path has no parts")
    return SafePath(tuple(parts), tuple(notes))


def clean_component(component: bytes | str, windows: bool = False) -> str:
    """Make one name safe; "" for one that means no folder ("" and "."). Raises UnsafePathError."""
    # Bytes that are not UTF-8 are in an encoding we do not know; a replacement mark shows as much.
    name = component.decode("utf-8", "replace") if isinstance(component, bytes) else component
    name = name.encode("utf-8", "replace").decode("utf-8")
    if "\0" in name:
        raise UnsafePathError(f"the name {quote(component)} holds a NUL")
    if "/" in name:
        raise UnsafePathError(f"the name {quote(component)} holds a path separator")
    if ".." in name.split("\\"):
        raise UnsafePathError(f"the name {quote(component)} would leave its folder")
    if name in {"", "."}:
        return ""
    name = _ODD.sub("_", name)
    if windows:
        name = _avoid_windows_names(name)
    return _shorten(name)


def _avoid_windows_names(name: str) -> str:
    name = _ODD_ON_WINDOWS.sub("_", name)
    kept = name.rstrip(". ")
    name = kept + "_" * (len(name) > len(kept))
    if _RESERVED_ON_WINDOWS.fullmatch(name):
        stem, dot, rest = name.partition(".")
        name = f"{stem}_{dot}{rest}"
    return name


def _shorten(name: str, longest: int = LONGEST_COMPONENT) -> str:
    """Cut a name to at most `longest` bytes, at a character, keeping its extension."""
    if len(name.encode()) <= longest:
        return name
    stem, dot, extension = name.rpartition(".")
    ending = (dot + extension).encode()
    if not stem or len(ending) > _LONGEST_EXTENSION + 1:
        stem, ending = name, b""
    # A cut may split a character; "ignore" drops only that broken end.
    return stem.encode()[: longest - len(ending)].decode("utf-8", "ignore") + ending.decode()


def separate_paths(
    paths: Sequence[tuple[str, ...]], ignored: Sequence[bool]
) -> tuple[list[tuple[str, ...]], list[str]]:
    """Give every file a path of its own: no two alike, none that is also a folder of another.

    Names are compared exactly. The first of several keeps its name; the others get `.1`, `.2`...
    in front of the extension, as other clients do it, so that nothing is lost and nothing is
    written twice. `ignored` marks files that are never written (padding). Returns the paths in the
    same order and notes on the changes. Raises UnsafePathError beyond 500 changes.
    """
    folders: set[tuple[str, ...]] = set()
    for path, skip in zip(paths, ignored, strict=True):
        if not skip:
            folders.update(path[:depth] for depth in range(1, len(path)))
    # Names as they came are never given away: a new name may not take what a later file has.
    taken = {path for path, skip in zip(paths, ignored, strict=True) if not skip}
    seen: set[tuple[str, ...]] = set()
    result: list[tuple[str, ...]] = []
    notes: list[str] = []
    for path, skip in zip(paths, ignored, strict=True):
        if not skip and (path in seen or path in folders):
            if len(notes) >= MOST_RENAMES:
                raise UnsafePathError(f"more than {MOST_RENAMES} files share a path with another")
            renamed = _free_path(path, taken, folders)
            taken.add(renamed)
            reason = "a folder" if path in folders else "another file"
            notes.append(f"{quote('/'.join(path))} is also {reason}: now {quote(renamed[-1])}")
            path = renamed
        if not skip:
            seen.add(path)
        result.append(path)
    return result, notes


def _free_path(
    path: tuple[str, ...], taken: set[tuple[str, ...]], folders: set[tuple[str, ...]]
) -> tuple[str, ...]:
    stem, dot, extension = path[-1].rpartition(".")
    if not stem or len((dot + extension).encode()) > _LONGEST_EXTENSION + 1:
        stem, dot, extension = path[-1], "", ""
    number = 1
    while True:
        ending = f".{number}{dot}{extension}"
        name = _shorten_stem(stem, LONGEST_COMPONENT - len(ending.encode())) + ending
        candidate = (*path[:-1], name)
        if candidate not in taken and candidate not in folders:
            return candidate
        number += 1


def _shorten_stem(stem: str, longest: int) -> str:
    return stem.encode()[:longest].decode("utf-8", "ignore")
