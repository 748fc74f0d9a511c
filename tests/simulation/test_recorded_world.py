"""What happens in a world, in files."""

import json
import struct
from pathlib import Path

import pytest

from rawserver.simulation import recorded_world
from rawserver.simulation.recorded_world import RecordedWorld
from simulation.pairs import Caller, Echo, add_pair


def packets(path: Path) -> int:
    """Count the records of a capture, all of which are whole."""
    data = path.read_bytes()
    assert struct.unpack("<I", data[:4])[0] == 0xA1B23C4D
    at, count = 24, 0
    while at < len(data):
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
        count += 1
    assert at == len(data)
    return count


def run_pair(world: RecordedWorld, words: bytes) -> None:
    caller = Caller(words)
    add_pair(world, Echo(), caller)
    assert world.run(seconds=60, condition=lambda: len(caller.heard) == len(words))


def test_each_host_has_a_capture_of_its_packets(tmp_path: Path) -> None:
    with RecordedWorld(1, pcap=str(tmp_path / "new" / "folder")) as world:
        run_pair(world, b"hello")
    here, there = (packets(tmp_path / "new" / "folder" / f"{n}.pcap") for n in ("server", "caller"))
    assert here >= 5
    assert there >= 5


def test_a_long_capture_is_written_on_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with RecordedWorld(1, pcap=str(whole)) as world:
        run_pair(world, bytes(50_000))
    monkeypatch.setattr(recorded_world, "SPOOLED_BYTES", 1000)
    with RecordedWorld(1, pcap=str(parts)) as world:
        run_pair(world, bytes(50_000))
        assert (parts / "server.pcap").stat().st_size > 40_000
    assert (parts / "server.pcap").read_bytes() == (whole / "server.pcap").read_bytes()


def test_an_old_capture_is_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        with RecordedWorld(1, pcap=str(tmp_path)) as world:
            run_pair(world, b"hello")
        assert packets(tmp_path / "server.pcap") < 20


def test_a_name_that_no_file_may_have(tmp_path: Path) -> None:
    with RecordedWorld(1, pcap=str(tmp_path)) as world:
        world.add_host("../a b", "192.0.2.1")
    assert [path.name for path in tmp_path.iterdir()] == ["..%2Fa b.pcap"]


def test_a_timeline_is_every_entry_as_a_line(tmp_path: Path) -> None:
    path = tmp_path / "timeline"
    with RecordedWorld(1, timeline=str(path)) as world:
        world.trace.event(world.now, "something", 1, "two")
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"time": world.now, "event": "something", "details": [1, "two"]}
    ]


def test_with_neither_it_is_a_world(tmp_path: Path) -> None:
    with RecordedWorld(4) as world:
        run_pair(world, b"hello")
    assert world.seed == 4
