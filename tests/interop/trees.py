"""Comparing what was sent with what came."""

from pathlib import Path


def same_tree(one: Path, other: Path) -> bool:
    """Tell whether two folders hold the same files with the same bytes.

    Empty files may be missing from `other`: Transmission makes none.
    """

    def listing(root: Path) -> dict[str, Path]:
        return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}

    left, right = listing(one), listing(other)
    missing = left.keys() - right.keys()
    if right.keys() - left.keys() or any(left[name].stat().st_size for name in missing):
        return False
    return all(left[name].read_bytes() == right[name].read_bytes() for name in right)
