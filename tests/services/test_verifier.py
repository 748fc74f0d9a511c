import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from kit.content import folder_metainfo, metainfo_of, random_bytes, write_folder
from kit.loop import run_until
from kit.one_worker import one_worker, settle
from rawserver import RawServer
from rawserver.engine import File, OsDisk
from rawserver.services.verifier import Verification, Verifier
from rawserver.wire.bencode import encode
from rawserver.wire.metainfo import Metainfo, parse_metainfo

LENGTH = 16384
# Pieces 0 and 1 are of a; piece 2 of a, b and d (empty is in none); pieces 3 and 4 of d alone.
FILES = [
    (("a",), random_bytes(2 * LENGTH + 100, 1)),
    (("b",), random_bytes(200, 2)),
    (("c", "empty"), b""),
    (("d",), random_bytes(2 * LENGTH + 500, 3)),
]
METAINFO = folder_metainfo(FILES, piece_length=LENGTH)
ALL_RIGHT = Verification((), ())


class Verifying:
    def __init__(self, raw_server: RawServer, metainfo: Metainfo, root: Path) -> None:
        self.raw_server = raw_server
        self.results: list[tuple[Verification | None, BaseException | None]] = []
        self.moves: list[tuple[int, int]] = []
        self.verifier = Verifier(
            raw_server,
            metainfo,
            str(root),
            done=lambda *result: self.results.append(result),
            progress=lambda *move: self.moves.append(move),
        )

    def run(self) -> tuple[Verification | None, BaseException | None]:
        self.verifier.start()
        assert not self.results
        run_until(self.raw_server, lambda: self.results)
        (result,) = self.results
        return result


def verify(raw_server: RawServer, root: Path, metainfo: Metainfo = METAINFO) -> Verification:
    found, error = Verifying(raw_server, metainfo, root).run()
    assert error is None
    assert found is not None
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_folder(tmp_path / "any name", FILES)
    return tmp_path / "any name"


def change_byte(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_the_same_data_are_right(raw_server: RawServer, root: Path) -> None:
    found = verify(raw_server, root)
    assert found == ALL_RIGHT
    assert found.ok


def test_a_single_file_under_any_name(raw_server: RawServer, tmp_path: Path) -> None:
    data = random_bytes(100_000)
    (tmp_path / "other").write_bytes(data)
    assert verify(raw_server, tmp_path / "other", metainfo_of(data)) == ALL_RIGHT
    change_byte(tmp_path / "other", 40_000)
    found = verify(raw_server, tmp_path / "other", metainfo_of(data))
    assert found == Verification((1,), (("content.bin",),))


def test_one_changed_byte(raw_server: RawServer, root: Path) -> None:
    change_byte(root / "d", 2 * LENGTH)
    found = verify(raw_server, root)
    assert found == Verification((4,), (("d",),))
    assert not found.ok


def test_every_file_of_a_bad_piece_is_bad(raw_server: RawServer, root: Path) -> None:
    change_byte(root / "b", 7)
    assert verify(raw_server, root) == Verification((2,), (("a",), ("b",), ("d",)))


def test_a_missing_file_makes_its_pieces_bad(raw_server: RawServer, root: Path) -> None:
    (root / "d").unlink()
    assert verify(raw_server, root) == Verification((2, 3, 4), (("a",), ("b",), ("d",)))


def test_nothing_there_at_all(raw_server: RawServer, tmp_path: Path) -> None:
    found = verify(raw_server, tmp_path / "absent")
    assert found.bad_pieces == (0, 1, 2, 3, 4)
    assert found.bad_files == tuple(path for path, _ in FILES)


def test_a_missing_empty_file_is_bad_though_no_piece_is(raw_server: RawServer, root: Path) -> None:
    (root / "c" / "empty").unlink()
    found = verify(raw_server, root)
    assert found == Verification((), (("c", "empty"),))
    assert not found.ok


def test_a_longer_file_is_bad_though_no_piece_is(raw_server: RawServer, root: Path) -> None:
    with (root / "b").open("ab") as file:
        file.write(b"more")
    assert verify(raw_server, root) == Verification((), (("b",),))


def test_a_shorter_file_is_bad_from_there_on(raw_server: RawServer, root: Path) -> None:
    with (root / "d").open("r+b") as file:
        file.truncate(2 * LENGTH)
    assert verify(raw_server, root) == Verification((4,), (("d",),))


def test_a_folder_in_the_place_of_a_file(raw_server: RawServer, root: Path) -> None:
    (root / "d").unlink()
    (root / "d").mkdir()
    assert verify(raw_server, root).bad_pieces == (2, 3, 4)


def test_padding_is_neither_looked_for_nor_bad(raw_server: RawServer, tmp_path: Path) -> None:
    a, b = random_bytes(LENGTH - 100, 4), random_bytes(200, 5)
    pieces = hashlib.sha1(a + bytes(100)).digest() + hashlib.sha1(b).digest()
    listed = [
        {"length": len(a), "path": ["\u00e4"]},
        {"attr": "p", "length": 100, "path": [".pad", "100"]},
        {"length": len(b), "path": ["\u65e5", "\u672c"]},
    ]
    info = {"files": listed, "name": "padded", "piece length": LENGTH, "pieces": pieces}
    metainfo = parse_metainfo(encode({"info": info}))
    assert [file.padding for file in metainfo.files] == [False, True, False]
    write_folder(tmp_path, [(("\u00e4",), a), (("\u65e5", "\u672c"), b)])
    assert verify(raw_server, tmp_path, metainfo) == ALL_RIGHT
    change_byte(tmp_path / "\u00e4", 0)
    assert verify(raw_server, tmp_path, metainfo) == Verification((0,), (("\u00e4",),))


class ForbiddenDisk(OsDisk):
    def open(self, path: str, mode: Literal["r", "w"]) -> File:
        raise PermissionError(errno.EACCES, "Permission denied", path)


def test_what_may_not_be_read_is_an_error_not_bad(raw_server: RawServer, root: Path) -> None:
    raw_server.network.disk = ForbiddenDisk()
    found, error = Verifying(raw_server, METAINFO, root).run()
    assert found is None
    assert str(error) == f"{root}/a: cannot be read: Permission denied"


def test_progress_ends_at_the_total(raw_server: RawServer, root: Path) -> None:
    verifying = Verifying(raw_server, METAINFO, root)
    verifying.run()
    done = [move[0] for move in verifying.moves]
    assert done == sorted(done)
    assert len(done) == METAINFO.num_pieces
    assert verifying.moves[-1] == (METAINFO.total_size, METAINFO.total_size)


@pytest.fixture
def orderly() -> Iterator[RawServer]:
    with one_worker() as server:
        yield server


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_nothing_is_told_after_cancel(orderly: RawServer, root: Path, turns: int) -> None:
    verifying = Verifying(orderly, METAINFO, root)
    verifying.verifier.start()
    for _ in range(turns):
        orderly.listen_once(0.05)
    verifying.verifier.cancel()
    results, moves = len(verifying.results), len(verifying.moves)
    settle(orderly)
    assert (len(verifying.results), len(verifying.moves)) == (results, moves)
