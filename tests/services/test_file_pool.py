import gc
import os
import random
import sys
import threading
from pathlib import Path

import pytest

from rawserver.engine import OsDisk
from rawserver.services.file_pool import FilePool


def make_files(folder: Path, count: int) -> list[str]:
    paths = [str(folder / f"{number}") for number in range(count)]
    for path in paths:
        Path(path).write_bytes(path.encode())
    return paths


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def test_a_file_is_opened_once(tmp_path: Path) -> None:
    (path,) = make_files(tmp_path, 1)
    pool = FilePool(OsDisk())
    assert pool.get(path, "r") is pool.get(path, "r")
    assert len(pool) == 1


def test_reading_and_writing_are_two_openings(tmp_path: Path) -> None:
    (path,) = make_files(tmp_path, 1)
    pool = FilePool(OsDisk())
    pool.get(path, "w").write(b"new", 0)
    reader = pool.get(path, "r")
    with pytest.raises(OSError, match="Bad file descriptor"):
        reader.write(b"no", 0)
    buffer = bytearray(3)
    assert reader.read_into(buffer, 0) == 3
    assert buffer == b"new"


def test_the_files_used_last_stay(tmp_path: Path) -> None:
    a, b, c = make_files(tmp_path, 3)
    pool = FilePool(OsDisk(), max_open_files=2)
    first, second = pool.get(a, "r"), pool.get(b, "r")
    assert pool.get(a, "r") is first
    pool.get(c, "r")
    assert len(pool) == 2
    assert pool.get(a, "r") is first
    assert pool.get(b, "r") is not second


def test_a_file_that_left_is_closed_when_its_last_user_lets_go(tmp_path: Path) -> None:
    a, b = make_files(tmp_path, 2)
    pool = FilePool(OsDisk(), max_open_files=1)
    in_use = pool.get(a, "r")
    descriptor = in_use.fileno()
    pool.get(b, "r")
    buffer = bytearray(len(a))
    assert in_use.read_into(buffer, 0) == len(a)
    assert buffer == a.encode()
    del in_use
    assert not is_open(descriptor)


def test_all_are_closed_after_clear(tmp_path: Path) -> None:
    paths = make_files(tmp_path, 3)
    pool = FilePool(OsDisk())
    descriptors = [pool.get(path, "r").fileno() for path in paths]
    assert all(map(is_open, descriptors))
    pool.clear()
    assert len(pool) == 0
    assert not any(map(is_open, descriptors))


def test_what_cannot_be_opened_is_not_kept(tmp_path: Path) -> None:
    pool = FilePool(OsDisk())
    with pytest.raises(FileNotFoundError):
        pool.get(str(tmp_path / "absent"), "r")
    assert len(pool) == 0


def test_threads_share_it(tmp_path: Path) -> None:
    paths = make_files(tmp_path, 12)
    pool = FilePool(OsDisk(), max_open_files=3)
    wrong: list[object] = []

    def use(seed: int) -> None:
        buffer = bytearray(max(map(len, paths)))
        try:
            for path in random.Random(seed).choices(paths, k=400):
                count = pool.get(path, "r").read_into(buffer, 0)
                if buffer[:count] != path.encode():
                    wrong.append(path)
        except Exception as error:
            wrong.append(error)

    gc.collect()  # or what earlier tests left is closed meanwhile
    before = len(os.listdir("/dev/fd"))
    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(6)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns as often as they can
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
    assert 0 < len(pool) <= 3
    assert len(os.listdir("/dev/fd")) <= before + 3
    pool.clear()
    assert len(os.listdir("/dev/fd")) == before
