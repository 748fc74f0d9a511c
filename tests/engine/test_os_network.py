import io
import os
import socket
import threading
from pathlib import Path

import pytest

from rawserver.engine.os_network import OsNetwork

DEADLINE_SECONDS = 10.0


class InMemory:
    """A file without a descriptor."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")

    def read_into(self, buffer: bytearray | memoryview, offset: int) -> int:
        part = self.data[offset : offset + len(buffer)]
        memoryview(buffer)[: len(part)] = part
        return len(part)


def test_its_sockets_do_not_block() -> None:
    sock = OsNetwork().socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    sock.close()


def test_names_are_resolved() -> None:
    found = OsNetwork().resolve("localhost", 80, socket.SOCK_STREAM)
    assert any(address[0] in ("127.0.0.1", "::1") for _, address in found)
    assert all(address[1] == 80 for _, address in found)


def test_a_flag_that_is_set_wakes_and_one_that_is_watched_no_more_does_not() -> None:
    network = OsNetwork()
    flag = threading.Event()
    woken = threading.Event()

    class Waker:
        def wake(self) -> None:
            woken.set()

    class Nobody:
        def wake(self) -> None:
            raise AssertionError("woken after all")

    network.watch(flag, Nobody())()
    network.watch(flag, Waker())
    flag.set()
    assert woken.wait(DEADLINE_SECONDS)


def test_a_file_goes_out_from_its_descriptor(tmp_path: Path) -> None:
    network = OsNetwork()
    (tmp_path / "a").write_bytes(b"0123456789")
    file = network.disk.open(str(tmp_path / "a"), "r")
    one, other = socket.socketpair()
    with one, other:
        assert network.sendfile(one, file, 3, 4) == 4
        assert network.sendfile(one, file, 10, 4) == 0
        assert other.recv(100) == b"3456"
    file.close()


@pytest.mark.parametrize("has_sendfile", [True, False])
def test_a_file_without_a_descriptor_goes_out_all_the_same(
    has_sendfile: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_sendfile:
        monkeypatch.delattr(os, "sendfile", raising=False)
    one, other = socket.socketpair()
    with one, other:
        file = InMemory(b"0123456789")
        assert OsNetwork().sendfile(one, file, 3, 4) == 4
        assert OsNetwork().sendfile(one, file, 10, 4) == 0
        assert other.recv(100) == b"3456"


def test_a_system_without_sendfile_reads_and_sends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sendfile", raising=False)
    network = OsNetwork()
    (tmp_path / "a").write_bytes(b"0123456789")
    file = network.disk.open(str(tmp_path / "a"), "r")
    one, other = socket.socketpair()
    with one, other:
        assert network.sendfile(one, file, 3, 4) == 4
        assert other.recv(100) == b"3456"
    file.close()


def test_its_chance_is_not_foreseen_and_its_clock_goes_on() -> None:
    network = OsNetwork()
    assert network.random_bytes(16) != network.random_bytes(16)
    assert OsNetwork().random.random() != network.random.random()
    assert network.time() <= network.time()
    assert network.wall_time() > 1_700_000_000


def test_there_is_always_an_address_of_our_own() -> None:
    socket.inet_aton(OsNetwork().primary_address())
