import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawserver.engine import File, FileStatus, OsDisk
from rawserver.services.storage import Span, Storage, StorageError
from rawserver.wire.metainfo import MetainfoFile


class Layout(NamedTuple):
    files: Sequence[MetainfoFile]
    single: bool = False


def lay(*files: tuple[str, int] | tuple[str, int, bool]) -> Layout:
    """Return a folder of (path, length, whether it is padding) in this order."""
    placed = []
    offset = 0
    for path, length, *padding in files:
        placed.append(MetainfoFile(tuple(path.split("/")), length, offset, bool(padding)))
        offset += length
    return Layout(placed)


SINGLE = Layout((MetainfoFile(("name",), 10, 0, False),), single=True)
PADDED = lay(("a", 3), (".pad/2", 2, True), ("deep/er/b", 4))


class FailingFile:
    """A file of a full disk, or of one that breaks."""

    def write(self, data: bytes, offset: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def synchronize(self) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def is_hole(self, offset: int, count: int) -> bool:
        raise OSError(errno.EIO, "Input/output error")


class FailingDisk(OsDisk):
    def open(self, path: str, mode: Literal["r", "w"]) -> File:
        return FailingFile()  # type: ignore[return-value]


class FullFile(FailingFile):
    def extend(self, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


class FullDisk(OsDisk):
    def open(self, path: str, mode: Literal["r", "w"]) -> File:
        return FullFile()  # type: ignore[return-value]


class ForbiddenDisk(OsDisk):
    """Its folders may not be written, nor may all be entered."""

    def status(self, path: str) -> FileStatus | None:
        if "secret" in path:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return super().status(path)

    def open(self, path: str, mode: Literal["r", "w"]) -> File:
        raise PermissionError(errno.EACCES, "Permission denied", path)


class WatchedFile:
    def __init__(self, path: str, disk: "WatchedDisk") -> None:
        self.path = path
        self.disk = disk

    def write(self, data: bytes, offset: int) -> None:
        pass

    def synchronize(self) -> None:
        if self.disk.broken:
            raise OSError(errno.EIO, "Input/output error")
        self.disk.synchronized.append(self.path)


class WatchedDisk(OsDisk):
    def __init__(self) -> None:
        self.synchronized: list[str] = []
        self.broken = False

    def open(self, path: str, mode: Literal["r", "w"]) -> File:
        return WatchedFile(path, self)  # type: ignore[return-value]


def read(storage: Storage, offset: int, length: int) -> bytes:
    # What was in the buffer must not show through.
    buffer = bytearray(b"\xff" * length)
    storage.read_into(buffer, offset)
    return bytes(buffer)


# Where the data lie.


def test_the_root_is_the_single_file_whatever_the_torrent_calls_it(tmp_path: Path) -> None:
    place = tmp_path / "another name"
    place.write_bytes(b"0123456789")
    assert read(Storage(OsDisk(), SINGLE, str(place)), 2, 5) == b"23456"


def test_files_of_a_folder_lie_below_the_root(tmp_path: Path) -> None:
    storage = Storage(OsDisk(), PADDED, str(tmp_path))
    assert storage.path(PADDED.files[2]) == str(tmp_path / "deep" / "er" / "b")


def test_a_stretch_is_cut_where_files_meet() -> None:
    layout = lay(("a", 3), ("empty", 0), ("b", 4))
    storage = Storage(OsDisk(), layout, "/nowhere")
    a, _, b = layout.files
    assert list(storage.spans(1, 5)) == [Span(a, 1, 2), Span(b, 0, 3)]
    assert list(storage.spans(3, 4)) == [Span(b, 0, 4)]
    assert list(storage.spans(2, 0)) == []


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.data())
def test_spans_cover_a_stretch_exactly(lengths: list[int], data: st.DataObject) -> None:
    layout = lay(*((str(number), length) for number, length in enumerate(lengths)))
    offset = data.draw(st.integers(0, sum(lengths)))
    length = data.draw(st.integers(0, sum(lengths) - offset))
    place = offset
    for file, start, count in Storage(OsDisk(), layout, "/nowhere").spans(offset, length):
        assert count > 0
        assert 0 <= start
        assert start + count <= file.length
        assert file.offset + start == place
        place += count
    assert place == offset + length


# Reading and writing.


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=20)), max_size=6),
)
def test_it_is_one_space_of_bytes(
    files: list[tuple[int, bool]], writes: list[tuple[int, bytes]]
) -> None:
    layout = Layout([])
    model = bytearray()
    kept = bytearray()  # 1 for each byte that is on disk, 0 for padding
    placed = []
    for number, (length, padding) in enumerate(files):
        placed.append(MetainfoFile((str(number),), length, len(model), padding))
        model += bytes(length)
        kept += bytes([not padding]) * length
    layout = Layout(placed)
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(OsDisk(), layout, folder)
        storage.prepare()
        for offset, data in writes:
            offset = min(offset, len(model))
            data = data[: len(model) - offset]
            storage.write(data, offset)
            for place, byte in enumerate(data, offset):
                model[place] = byte if kept[place] else 0
        for start in range(len(model)):
            assert read(storage, start, len(model) - start) == model[start:]
        names = {path.name for path in Path(folder).iterdir()}
        assert names == {str(number) for number, (_, padding) in enumerate(files) if not padding}


def test_padding_reads_as_zeros_and_is_never_made(tmp_path: Path) -> None:
    storage = Storage(OsDisk(), PADDED, str(tmp_path))
    storage.prepare()
    storage.write(b"abcdefghi", 0)
    assert read(storage, 0, 9) == b"abc\0\0fghi"
    assert not (tmp_path / ".pad").exists()


def test_a_missing_or_short_file_is_named(tmp_path: Path) -> None:
    storage = Storage(OsDisk(), PADDED, str(tmp_path))
    with pytest.raises(StorageError, match=f"^{tmp_path}/a: cannot be read: No such file"):
        read(storage, 0, 3)
    (tmp_path / "a").write_bytes(b"ab")
    with pytest.raises(StorageError, match=f"^{tmp_path}/a: is shorter than it should be$"):
        read(storage, 0, 3)


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    storage = Storage(FailingDisk(), SINGLE, str(tmp_path / "name"))
    with pytest.raises(StorageError, match=r"name: cannot be written: No space left on device$"):
        storage.write(b"0123", 0)


def test_a_broken_disk_is_told_in_one_line(tmp_path: Path) -> None:
    storage = Storage(FailingDisk(), SINGLE, str(tmp_path / "name"))
    with pytest.raises(StorageError, match=r"name: cannot be read: Input/output error$"):
        storage.is_hole(0, 4)


# Before the download.


def test_prepare_makes_folders_and_sparse_and_empty_files(tmp_path: Path) -> None:
    root = tmp_path / "new" / "root"
    Storage(OsDisk(), lay(("a", 1 << 30), ("b/c/empty", 0)), str(root)).prepare()
    assert (root / "a").stat().st_size == 1 << 30
    assert (root / "a").stat().st_blocks == 0
    assert (root / "b" / "c" / "empty").stat().st_size == 0


def test_prepare_makes_the_folder_of_a_single_file(tmp_path: Path) -> None:
    Storage(OsDisk(), SINGLE, str(tmp_path / "new" / "name")).prepare()
    assert (tmp_path / "new" / "name").stat().st_size == 10


def test_prepare_keeps_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"longer than three")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "b").write_bytes(b"x")
    Storage(OsDisk(), PADDED, str(tmp_path)).prepare()
    assert (tmp_path / "a").read_bytes() == b"longer than three"
    assert (tmp_path / "deep" / "er" / "b").read_bytes() == b"x\0\0\0"


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(StorageError, match=f"^{tmp_path}/a: there is something else"):
        Storage(OsDisk(), PADDED, str(tmp_path)).prepare()


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "deep").write_bytes(b"")
    with pytest.raises(StorageError, match=f"^{tmp_path}/deep/er: Not a directory$"):
        Storage(OsDisk(), PADDED, str(tmp_path)).prepare()


@pytest.mark.parametrize("link", ["deep", "deep/er", "deep/er/b"])
@pytest.mark.parametrize("dangling", [False, True])
def test_nothing_is_written_through_a_link(tmp_path: Path, link: str, dangling: bool) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / link).parent.mkdir(parents=True)
    if not dangling:
        outside.mkdir()
    (root / link).symlink_to(outside)
    with pytest.raises(StorageError, match=f"^{root}/{link}: a link in the way"):
        Storage(OsDisk(), PADDED, str(root)).prepare()
    assert not outside.exists() or not list(outside.iterdir())


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "elsewhere")
    Storage(OsDisk(), PADDED, str(tmp_path / "root")).prepare()
    assert (tmp_path / "elsewhere" / "a").exists()


def test_a_folder_that_may_not_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"^{tmp_path}/name: Permission denied$"):
        Storage(ForbiddenDisk(), SINGLE, str(tmp_path / "name")).prepare()


def test_a_disk_too_full_to_prepare_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"^{tmp_path}/name: No space left on device$"):
        Storage(FullDisk(), SINGLE, str(tmp_path / "name")).prepare()


# What is known without reading.


def test_a_folder_that_may_not_be_entered_is_told_in_one_line() -> None:
    storage = Storage(ForbiddenDisk(), SINGLE, "/secret/name")
    with pytest.raises(StorageError, match=r"^/secret/name: cannot be read: Permission denied$"):
        storage.is_there(0, 1)


def test_a_stretch_is_there_only_whole(tmp_path: Path) -> None:
    storage = Storage(OsDisk(), PADDED, str(tmp_path))
    assert storage.is_there(3, 2)  # padding
    assert not storage.is_there(0, 1)
    (tmp_path / "a").write_bytes(b"ab")
    assert storage.is_there(0, 2)
    assert not storage.is_there(0, 3)
    (tmp_path / "deep" / "er" / "b").mkdir(parents=True)
    assert not storage.is_there(5, 1)


def test_what_was_written_is_no_hole(tmp_path: Path) -> None:
    storage = Storage(OsDisk(), lay(("a", 1 << 20)), str(tmp_path))
    storage.prepare()
    storage.write(b"x", 5)
    assert not storage.is_hole(0, 1 << 20)
    assert not storage.is_hole(0, 6)


# For the loop.


def test_cached_data_is_read_at_once_if_it_lies_in_one_file(tmp_path: Path) -> None:
    storage = Storage(OsDisk(), PADDED, str(tmp_path))
    storage.prepare()
    storage.write(b"abc..defg", 0)
    buffer = memoryview(bytearray(2))
    assert storage.read_cached(buffer, 1)
    assert buffer == b"bc"
    assert not storage.read_cached(buffer, 2)  # goes on into the padding
    assert not storage.read_cached(buffer, 3)  # is padding


def test_read_ahead_is_only_a_hint(tmp_path: Path) -> None:
    storage = Storage(OsDisk(), PADDED, str(tmp_path))
    storage.will_need(0, 9)
    storage.prepare()
    storage.will_need(0, 9)
    assert read(storage, 0, 9) == bytes(9)


# The end.


def test_synchronize_waits_for_what_was_written_since_the_last_time() -> None:
    disk = WatchedDisk()
    storage = Storage(disk, PADDED, "root")
    storage.synchronize()
    assert disk.synchronized == []
    storage.write(b"abc..d", 0)
    storage.synchronize()
    assert sorted(disk.synchronized) == ["root/a", "root/deep/er/b"]
    storage.synchronize()
    assert len(disk.synchronized) == 2


def test_files_are_synchronized_in_an_order_that_is_the_same_in_each_run() -> None:
    names = [f"file {number}" for number in range(20)]
    disk = WatchedDisk()
    storage = Storage(disk, lay(*((name, 1) for name in names)), "root")
    storage.write(bytes(20), 0)
    storage.synchronize()
    assert disk.synchronized == [f"root/{name}" for name in reversed(names)]


def test_a_failed_synchronize_is_told_and_tried_again() -> None:
    disk = WatchedDisk()
    storage = Storage(disk, SINGLE, "name")
    storage.write(b"x", 0)
    disk.broken = True
    for _ in range(2):
        with pytest.raises(StorageError, match=r"^name: cannot be written: Input/output error$"):
            storage.synchronize()
    disk.broken = False
    storage.synchronize()
    assert disk.synchronized == ["name"]


def test_a_closed_storage_holds_no_file(tmp_path: Path) -> None:
    storage = Storage(OsDisk(), PADDED, str(tmp_path))
    storage.prepare()
    storage.close()
    (tmp_path / "a").unlink()
    with pytest.raises(StorageError, match="No such file"):
        read(storage, 0, 3)
