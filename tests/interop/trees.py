"""Comparing what was sent with what came."""

from pathlib import Path


def same_tree(one: Path, other: Path, *, without_empty: bool = False) -> bool:
    """Tell whether two folders hold the same files with the same bytes.

    without_empty: empty files may be missing from `other`, for Transmission, which makes none.
    """

    def listing(root: Path) -> dict[str, Path]:
        return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}

    left, right = listing(one), listing(other)
    missing = left.keys() - right.keys()
    if right.keys() - left.keys():
        return False
    if any(not without_empty or left[name].stat().st_size for name in missing):
        return False
    return all(left[name].read_bytes() == right[name].read_bytes() for name in right)
