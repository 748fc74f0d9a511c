import errno
import os
from pathlib import Path
from typing import Literal

import pytest

from rawserver.engine.os_disk import OsDisk


def test_a_file_is_written_and_read_at_offsets(tmp_path: Path) -> None:
    file = OsDisk().open(str(tmp_path / "a"), "w")
    file.write(b"hello", 3)
    buffer = bytearray(8)
    assert file.read_into(buffer, 0) == 8
    assert buffer == b"\0\0\0hello"
    assert file.read_into(bytearray(8), 6) == 2
    assert file.read_into(bytearray(8), 100) == 0
    assert file.size() == 8
    file.close()
    file.close()
    with pytest.raises(OSError, match="closed"):
        file.fileno()


def test_opening_to_write_truncates_nothing_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"kept")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    disk = OsDisk()
    disk.open(str(tmp_path / "a"), "w").close()
    assert (tmp_path / "a").read_bytes() == b"kept"
    with pytest.raises(OSError, match="link") as caught:
        disk.open(str(tmp_path / "link"), "w")
    assert caught.value.errno in (errno.ELOOP, errno.EMLINK)
    assert disk.is_link(str(tmp_path / "link"))
    disk.open(str(tmp_path / "link"), "r").close()
    with pytest.raises(IsADirectoryError):
        disk.open(str(tmp_path), "r")
    with pytest.raises(FileNotFoundError):
        disk.open(str(tmp_path / "absent"), "r")


def test_what_is_appended_stands_behind_what_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "a"
    file = OsDisk().open(str(path), "a")
    file.write(b"one\n", 100)
    with path.open("ab") as other:
        other.write(b"two\n")
    file.write(b"three\n", 0)
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    # As `copytruncate` of logrotate does.
    os.truncate(path, 0)
    file.write(b"four\n", 0)
    assert path.read_bytes() == b"four\n"
    file.close()


def test_a_file_grows_and_never_shrinks(tmp_path: Path) -> None:
    file = OsDisk().open(str(tmp_path / "a"), "w")
    file.extend(100_000)
    assert file.size() == 100_000
    file.extend(10)
    assert file.size() == 100_000
    file.synchronize()
    file.will_need(0, 10)
    file.close()


def test_a_hole_is_known_where_the_file_system_tells(tmp_path: Path) -> None:
    file = OsDisk().open(str(tmp_path / "a"), "w")
    file.write(b"x" * 4096, 0)
    file.extend(1 << 20)
    assert not file.is_hole(0, 4096)
    assert not file.is_hole(0, 1 << 20)
    assert not file.is_hole(1 << 20, 1)  # past the end there is nothing, not zeros
    file.close()


def test_what_is_in_memory_is_read_without_waiting(tmp_path: Path) -> None:
    file = OsDisk().open(str(tmp_path / "a"), "w")
    file.write(b"abcdef", 0)
    buffer = bytearray(6)
    if file.read_cached(buffer, 0):  # False is allowed: the system may not tell
        assert buffer == b"abcdef"
    assert not file.read_cached(bytearray(7), 0)
    file.close()


def test_status_and_walk(tmp_path: Path) -> None:
    disk = OsDisk()
    disk.make_directories(str(tmp_path / "b" / "c"))
    disk.make_directories(str(tmp_path / "b" / "c"))
    (tmp_path / "b" / "c" / "z").write_bytes(b"12345")
    (tmp_path / "b-").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"")
    assert list(disk.walk(str(tmp_path))) == [("a",), ("b", "c", "z"), ("b-",)]
    assert disk.names(str(tmp_path)) == ["a", "b", "b-"]
    status = disk.status(str(tmp_path / "b" / "c" / "z"))
    assert status is not None
    assert (status.size, status.is_file, status.is_directory) == (5, True, False)
    folder = disk.status(str(tmp_path))
    assert folder is not None
    assert folder.is_directory
    assert disk.status(str(tmp_path / "absent")) is None
    assert disk.status(str(tmp_path / "a" / "below a file")) is None
    with pytest.raises(FileNotFoundError):
        list(disk.walk(str(tmp_path / "absent")))


def test_a_whole_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert OsDisk().read_file(str(tmp_path / "a"), 5) == b"12345"
    with pytest.raises(OSError, match="longer than 4") as caught:
        OsDisk().read_file(str(tmp_path / "a"), 4)
    assert caught.value.errno == errno.EFBIG


def test_replacing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    disk = OsDisk()
    disk.replace_file(str(tmp_path / "a"), b"one")
    disk.replace_file(str(tmp_path / "a"), b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        disk.replace_file(str(tmp_path / "folder"), b"three")
    assert sorted(os.listdir(tmp_path)) == ["a", "folder"]
    disk.remove(str(tmp_path / "a"))
    with pytest.raises(FileNotFoundError):
        disk.remove(str(tmp_path / "a"))


def test_what_would_be_left_out_of_a_walk_is_an_error(tmp_path: Path) -> None:
    disk = OsDisk()
    (tmp_path / "one").mkdir()
    os.mkfifo(tmp_path / "one" / "fifo")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        list(disk.walk(str(tmp_path / "one")))
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "link").symlink_to(tmp_path / "one")
    with pytest.raises(OSError, match="link to a folder"):
        list(disk.walk(str(tmp_path / "two")))


@pytest.mark.parametrize("mode", ["r", "w"])
def test_only_a_regular_file_is_opened_and_none_keeps_its_opener_waiting(
    tmp_path: Path, mode: Literal["r", "w"]
) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="no regular file"):
        OsDisk().open(str(tmp_path / "fifo"), mode)


def test_a_file_with_the_longest_name_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / ("a" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    OsDisk().replace_file(str(path), b"one")
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == [path.name]
