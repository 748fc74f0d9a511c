"""Files for tests, on whatever disk there is."""

from pathlib import Path

from rawserver.engine.disk import Disk, File


def opened(disk: Disk, path: Path, content: bytes) -> File:
    """Return a file with a content, opened to read."""
    disk.make_directories(str(path.parent))
    disk.replace_file(str(path), content)
    return disk.open(str(path), "r")
