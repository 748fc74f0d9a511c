import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kit.content import folder_metainfo, metainfo_of, random_bytes, write_folder
from kit.loop import run_until
from kit.one_worker import one_worker, settle
from rawserver import RawServer
from rawserver.engine import OsDisk
from rawserver.services.checker import Checker
from rawserver.services.resume_record import LARGEST_RECORD, FileStamp, ResumeRecord
from rawserver.services.storage import Storage, StorageError
from rawserver.simulation.world import World
from rawserver.swarm.bitfield import Bitfield
from rawserver.wire.metainfo import Metainfo

LENGTH = 16384
# Pieces 0 and 1 are of a; piece 2 of a and b; pieces 3 and 4 of b alone.
FILES = [
    (("a",), random_bytes(2 * LENGTH + 100, 1)),
    (("folder", "b"), random_bytes(2 * LENGTH + 500, 2)),
]
METAINFO = folder_metainfo(FILES, piece_length=LENGTH)
ALL = {0, 1, 2, 3, 4}


class CountingStorage(Storage):
    """Counts what is read."""

    bytes_read = 0

    def read_into(self, buffer: bytearray | memoryview, offset: int) -> None:
        self.bytes_read += len(buffer)
        super().read_into(buffer, offset)


class BrokenStorage(Storage):
    def read_into(self, buffer: bytearray | memoryview, offset: int) -> None:
        raise StorageError("a: cannot be read: Input/output error")


class Checking:
    """One start of a torrent's process."""

    def __init__(
        self,
        raw_server: RawServer,
        root: Path,
        resume_path: Path | None,
        storage_type: type[Storage] = CountingStorage,
        metainfo: Metainfo = METAINFO,
    ) -> None:
        self.raw_server = raw_server
        self.reports: list[str] = []
        self.results: list[tuple[Bitfield | None, BaseException | None]] = []
        self.storage = storage_type(OsDisk(), metainfo, str(root))
        self.checker = Checker(
            raw_server,
            metainfo,
            self.storage,
            None if resume_path is None else str(resume_path),
            lambda *result: self.results.append(result),
            self.reports.append,
        )

    @property
    def bytes_read(self) -> int:
        assert isinstance(self.storage, CountingStorage)
        return self.storage.bytes_read

    def run(self) -> set[int]:
        """Return the pieces that are there."""
        self.checker.start()
        assert not self.results
        run_until(self.raw_server, lambda: self.results)
        ((have, error),) = self.results
        assert error is None
        assert have is not None
        return set(have)

    def save(self, *have: int, unsure: tuple[int, ...] = ()) -> None:
        bits = Bitfield(METAINFO.num_pieces)
        for index in have:
            bits.set(index)
        self.checker.save(bits, unsure, self.checker.stamps())


Start = Callable[[], Checking]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_folder(tmp_path / "content", FILES)
    return tmp_path / "content"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / ".content.rawserver-resume"


@pytest.fixture
def start(raw_server: RawServer, root: Path, record: Path) -> Start:
    return lambda: Checking(raw_server, root, record)


def change_byte(path: Path, offset: int) -> None:
    """Change a byte, and the file's time as time itself would."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


# Without a record.


def test_nothing_on_disk_is_known_without_reading(
    raw_server: RawServer, tmp_path: Path, record: Path
) -> None:
    checking = Checking(raw_server, tmp_path / "absent", record)
    assert checking.run() == set()
    assert checking.bytes_read == 0
    assert not checking.reports


def test_what_is_on_disk_is_hashed(start: Start) -> None:
    checking = start()
    assert checking.run() == ALL
    assert checking.bytes_read == METAINFO.total_size
    assert checking.checker.bytes_checked == METAINFO.total_size
    assert not checking.reports


def test_what_is_not_right_is_missing(start: Start, root: Path) -> None:
    change_byte(root / "a", LENGTH)
    with (root / "folder" / "b").open("r+b") as file:
        file.truncate(2 * LENGTH)
    assert start().run() == {0, 2, 3}


def test_a_torrent_may_go_without_a_record(raw_server: RawServer, root: Path, record: Path) -> None:
    checking = Checking(raw_server, root, None)
    assert checking.run() == ALL
    checking.save(0)
    assert not record.exists()


def test_files_just_prepared_hold_nothing(
    raw_server: RawServer, tmp_path: Path, record: Path
) -> None:
    checking = Checking(raw_server, tmp_path / "new", record)
    checking.storage.prepare()
    assert checking.run() == set()


def test_holes_count_where_zeros_are_due(
    raw_server: RawServer, tmp_path: Path, record: Path
) -> None:
    files = [(("a",), bytes(3 * LENGTH)), (("b",), b"x" * 10)]
    checking = Checking(
        raw_server, tmp_path / "new", record, metainfo=folder_metainfo(files, piece_length=LENGTH)
    )
    checking.storage.prepare()
    assert checking.run() == {0, 1, 2}


def test_an_error_of_the_disk_is_told(raw_server: RawServer, root: Path, record: Path) -> None:
    checking = Checking(raw_server, root, record, BrokenStorage)
    checking.checker.start()
    run_until(raw_server, lambda: checking.results)
    ((have, error),) = checking.results
    assert have is None
    assert isinstance(error, StorageError)


# With one.


def test_a_record_is_believed_while_the_files_are_as_it_says(start: Start) -> None:
    start().save(*ALL)
    checking = start()
    assert checking.run() == ALL
    assert checking.bytes_read == 0


def test_only_what_the_record_says_is_there(start: Start) -> None:
    start().save(1, 4)
    checking = start()
    assert checking.run() == {1, 4}
    assert checking.bytes_read == 0


def test_a_piece_that_was_being_written_is_hashed(start: Start, root: Path) -> None:
    first = start()
    change_byte(root / "a", LENGTH)
    first.save(0, 1, unsure=(1, 3))
    checking = start()
    assert checking.run() == {0, 3}
    assert checking.bytes_read == 2 * LENGTH


@pytest.mark.parametrize("change", ["byte", "longer", "shorter", "time", "gone", "folder"])
def test_any_change_of_a_file_has_all_hashed(start: Start, root: Path, change: str) -> None:
    start().save(*ALL)
    path = root / "folder" / "b"
    status = path.stat()
    if change == "byte":
        change_byte(path, 2 * LENGTH)
    elif change == "longer":
        os.truncate(path, status.st_size + 1)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "shorter":
        os.truncate(path, status.st_size - 1)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "time":
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 1))
    else:
        path.unlink()
        if change == "folder":
            path.mkdir()
    expected = {
        "byte": {0, 1, 2, 3}, "longer": ALL, "shorter": {0, 1, 2, 3}, "time": ALL,
        "gone": {0, 1}, "folder": {0, 1},
    }  # fmt: skip
    checking = start()
    assert checking.run() == expected[change]
    assert checking.bytes_read >= 2 * LENGTH


def test_killed_after_pieces_were_written_since_the_record(
    raw_server: RawServer, tmp_path: Path, record: Path
) -> None:
    root = tmp_path / "new"
    first = Checking(raw_server, root, record)
    first.storage.prepare()
    whole = b"".join(data for _, data in FILES)
    first.storage.write(whole[:LENGTH], 0)
    first.save(0)
    # The clock that stamps files is coarse: wait for it, or the second write looks like the first.
    noted = (root / "a").stat().st_mtime_ns

    def written_later() -> bool:
        first.storage.write(whole[LENGTH : 2 * LENGTH], LENGTH)
        return (root / "a").stat().st_mtime_ns > noted

    run_until(raw_server, written_later)
    assert Checking(raw_server, root, record).run() == {0, 1}


def test_killed_between_the_stamps_and_the_record(
    raw_server: RawServer, root: Path, record: Path
) -> None:
    checking = Checking(raw_server, root, record)
    stamps = checking.checker.stamps()
    change_byte(root / "a", 0)  # something is written after the stamps were taken
    checking.checker.save(Bitfield.full(METAINFO.num_pieces), (), stamps)
    assert Checking(raw_server, root, record).run() == ALL - {0}


@pytest.mark.parametrize(("size", "claimed"), [(None, 4), (LENGTH, 1), (LENGTH, 2)])
def test_a_record_that_claims_more_than_there_is_is_not_believed(
    raw_server: RawServer, root: Path, record: Path, size: int | None, claimed: int
) -> None:
    if size is None:
        (root / "folder" / "b").unlink()
    else:
        os.truncate(root / "a", size)
    first = Checking(raw_server, root, record)
    first.save(claimed)  # its stamps are those of the files as they are
    checking = Checking(raw_server, root, record)
    assert checking.run() == ({0, 1} if size is None else {0, 3, 4})
    assert len(checking.reports) == 1
    assert "claims more than there is on disk" in checking.reports[0]


def test_what_a_short_file_does_hold_is_believed(start: Start, root: Path) -> None:
    os.truncate(root / "a", LENGTH)
    start().save(0, 3, 4)
    checking = start()
    assert checking.run() == {0, 3, 4}
    assert checking.bytes_read == 0
    assert not checking.reports


def damage_half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def damage_owner(data: bytes) -> bytes:
    return data.replace(METAINFO.info_hash, bytes(20))


@pytest.mark.parametrize("damage", [damage_half, damage_owner, lambda data: b""])
def test_a_damaged_record_is_told_and_not_used(
    start: Start, record: Path, damage: Callable[[bytes], bytes]
) -> None:
    start().save()
    record.write_bytes(damage(record.read_bytes()))
    checking = start()
    assert checking.run() == ALL
    assert len(checking.reports) == 1
    assert checking.reports[0].startswith(f"{record}: is not used: ")


def test_a_record_too_large_is_told_and_not_read(start: Start, record: Path) -> None:
    record.write_bytes(b"")
    os.truncate(record, LARGEST_RECORD + 1)
    checking = start()
    assert checking.run() == ALL
    assert len(checking.reports) == 1
    assert "longer than" in checking.reports[0]


def test_a_record_half_written_leaves_the_one_before(
    start: Start, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checking = start()
    checking.save(0)
    before = record.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as raised:
        checking.save(*ALL)
    assert raised.value.filename == str(record)
    assert record.read_bytes() == before
    assert [path.name for path in record.parent.iterdir() if path.is_file()] == [record.name]


def test_a_record_that_cannot_be_read_is_told_and_not_used(start: Start, record: Path) -> None:
    record.mkdir()
    checking = start()
    assert checking.run() == ALL
    assert len(checking.reports) == 1


def test_a_record_that_cannot_be_written_names_its_path(start: Start, record: Path) -> None:
    record.mkdir()
    with pytest.raises(OSError, match="directory") as raised:
        start().save(*ALL)
    assert raised.value.filename == str(record)


def test_a_record_replaces_the_one_before(start: Start, record: Path) -> None:
    checking = start()
    checking.save(0)
    checking.save(0, 1)
    found = ResumeRecord.from_bytes(record.read_bytes(), METAINFO.info_hash, 5)
    assert set(found.have) == {0, 1}
    assert [path.name for path in record.parent.iterdir() if path.is_file()] == [record.name]


def test_stamps_are_of_each_file_in_order(start: Start, root: Path) -> None:
    (root / "a").unlink()
    status = (root / "folder" / "b").stat()
    expected: tuple[FileStamp, ...] = (None, (status.st_size, status.st_mtime_ns))
    assert start().checker.stamps() == expected


# Cancelling.


@pytest.fixture
def orderly() -> Iterator[RawServer]:
    with one_worker() as server:
        yield server


@pytest.mark.parametrize("turns", [0, 1, 2])
@pytest.mark.parametrize("recorded", [False, True])
def test_done_is_not_called_after_cancel(
    orderly: RawServer, root: Path, record: Path, turns: int, recorded: bool
) -> None:
    checking = Checking(orderly, root, record)
    if recorded:
        checking.save(*ALL)
    checking.checker.start()
    for _ in range(turns):
        orderly.listen_once(0.05)
    checking.checker.cancel()
    results = len(checking.results)
    settle(orderly)
    assert len(checking.results) == results


def test_a_record_that_survives_a_loss_of_power_vouches_for_nothing_that_does_not() -> None:
    """Over disks in memory that lose, at random, what was not forced to the medium."""
    data = random_bytes(8 * LENGTH, 3)
    metainfo = metainfo_of(data, piece_length=LENGTH)
    believed = 0
    for seed in range(10):
        world = World(seed)
        host = world.add_host("home", "192.0.2.1")
        pieces: list[Bitfield] = []

        def write_and_save(raw_server: RawServer) -> None:
            storage = Storage(raw_server.network.disk, metainfo, "/data")
            checker = Checker(raw_server, metainfo, storage, "/record", nothing, nothing)
            have = Bitfield(metainfo.num_pieces)

            def write() -> None:
                storage.prepare()
                storage.write(data, 0)
                for index in range(metainfo.num_pieces):
                    have.set(index)
                checker.save(have, (), checker.stamps())

            raw_server.start_work(write)

        def check(raw_server: RawServer, pieces: list[Bitfield] = pieces) -> None:
            storage = Storage(raw_server.network.disk, metainfo, "/data")
            Checker(
                raw_server,
                metainfo,
                storage,
                "/record",
                lambda have, _: pieces.append(have),
                nothing,
            ).start()

        host.boot(write_and_save)
        world.run(seconds=10.0)
        host.crash()
        host.reboot(check)
        world.run(condition=lambda pieces=pieces: pieces, seconds=60.0)
        left = host.disk.read_file("/data", 1 << 20) if host.disk.status("/data") else b""
        left = left.ljust(len(data), b"\0")
        for index in range(metainfo.num_pieces):
            if index in pieces[0]:
                believed += 1
                part = slice(index * LENGTH, (index + 1) * LENGTH)
                assert left[part] == data[part], f"piece {index}, seed {seed}"
    assert believed


def nothing(*_: object) -> None:
    pass
