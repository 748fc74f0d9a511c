from pathlib import Path

from rawserver.engine.disk import Disk, File, FileStatus
from rawserver.engine.os_disk import OsDisk


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_the_real_disk_has_all_that_is_asked_of_one(tmp_path: Path) -> None:
    disk = OsDisk()
    file = disk.open(str(tmp_path / "a"), "w")
    assert all(callable(getattr(disk, name)) for name in public(Disk))
    assert all(callable(getattr(file, name)) for name in public(File))
    file.close()


def test_a_status_is_plain_values() -> None:
    assert FileStatus(3, 4, False, True) == (3, 4, False, True)
