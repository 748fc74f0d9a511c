"""Bytes arrive in order, and never none of them; chunk borders mean nothing."""

import os
import random
import socket
from pathlib import Path

import pytest

from kit.files import opened
from kit.joined import Joiner, listen
from kit.joined import join as plainly
from kit.loop import run_until
from kit.recorder import Recorder
from kit.system import needs_the_system
from rawserver import Config, FileEnded, Network, RawServer, SingleSocket, WriteBufferFull


def test_much_arrives_as_it_was_sent(raw_server: RawServer, join: Joiner) -> None:
    chance = random.Random(1)
    data = chance.randbytes(5_000_000)
    callee = Recorder()
    connection, _ = join(raw_server, Recorder(), callee)
    start = 0
    while start < len(data):
        count = chance.choice([1, 17, 1000, 16_397, 200_000])
        connection.write(data[start : start + count])
        start += count
        if chance.random() < 0.01:
            raw_server.listen_once(0.0)
    connection.close_when_flushed()
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert callee.data == data


def test_files_and_bytes_keep_their_order_while_the_reader_is_slow(
    raw_server: RawServer, tmp_path: Path, join: Joiner
) -> None:
    chance = random.Random(2)
    content = chance.randbytes(3_000_000)
    file = opened(raw_server.network.disk, tmp_path / "a", content)
    turns = 0

    def read_slowly(connection: SingleSocket) -> None:
        nonlocal turns
        turns += 1
        if turns % 7 == 0:
            connection.pause_reading()
            raw_server.add_task(connection.resume_reading, 0.001)

    callee = Recorder(data_came_in=read_slowly)
    connection, _ = join(raw_server, Recorder(), callee)
    connection.sendfile(file, 0, len(content), b"header")
    connection.write(b"between")
    connection.sendfile(file, 1000, 100_000)
    connection.write_lent([b"and", b"", b"last"])
    connection.close_when_flushed()
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert callee.data == b"header" + content + b"between" + content[1000:101_000] + b"andlast"
    file.close()


def test_a_file_that_shrank_ends_the_connection_and_says_so(
    raw_server: RawServer, tmp_path: Path, join: Joiner
) -> None:
    needs_the_system(raw_server.network, "RawServer's disk never makes a file shorter")
    file = opened(raw_server.network.disk, tmp_path / "a", b"x" * 1000)
    caller, callee = Recorder(), Recorder()
    connection, other = join(raw_server, caller, callee)
    os.truncate(tmp_path / "a", 600)
    assert not connection.sendfile(file, 0, 1000, b"header")
    run_until(raw_server, lambda: other.lost)
    assert isinstance(connection.error, FileEnded)
    assert caller.events[-1] == "connection_lost"
    assert callee.data == b"header" + b"x" * 600
    file.close()


def test_write_says_when_to_wait_and_the_handler_hears_when_to_go_on(network: Network) -> None:
    config = Config(high_water_mark=100_000, low_water_mark=20_000)
    raw_server = RawServer(config=config, network=network)
    at_flush: list[int] = []
    caller = Recorder(connection_flushed=lambda connection: at_flush.append(connection.buffered))
    connection, other = plainly(raw_server, caller, Recorder())
    other.pause_reading()
    while connection.write(b"x" * 10_000):
        assert connection.buffered <= 100_000
    assert 100_000 < connection.buffered <= 110_000
    assert not connection.is_flushed()
    assert not at_flush
    other.resume_reading()
    run_until(raw_server, lambda: at_flush)
    assert at_flush[0] <= 20_000
    run_until(raw_server, connection.is_flushed)
    assert len(at_flush) == 1
    raw_server.close()


def test_a_write_that_goes_at_once_is_not_told_as_flushed(
    raw_server: RawServer, join: Joiner
) -> None:
    caller, callee = Recorder(), Recorder()
    connection, _ = join(raw_server, caller, callee)
    assert connection.write(b"little")
    assert connection.is_flushed()
    run_until(raw_server, lambda: callee.data)
    assert "connection_flushed" not in caller.events


def test_who_does_not_wait_is_ended_at_the_limit(network: Network, join: Joiner) -> None:
    raw_server = RawServer(
        config=Config(write_buffer_limit=300_000, high_water_mark=100_000), network=network
    )
    caller = Recorder()
    connection, other = join(raw_server, caller, Recorder())
    other.pause_reading()
    most = 0
    while not connection.lost:
        connection.write(b"x" * 10_000)
        most = max(most, connection.buffered)
    assert isinstance(connection.error, WriteBufferFull)
    assert most <= 300_000
    run_until(raw_server, lambda: "connection_lost" in caller.events)
    raw_server.close()


def test_the_limit_is_of_memory_and_not_of_files(
    network: Network, tmp_path: Path, join: Joiner
) -> None:
    raw_server = RawServer(config=Config(write_buffer_limit=1000), network=network)
    file = opened(network.disk, tmp_path / "a", b"x" * 4_000_000)
    callee = Recorder()
    connection, _ = join(raw_server, Recorder(), callee)
    connection.sendfile(file, 0, 4_000_000, b"header")
    connection.close_when_flushed()
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert len(callee.data) == 4_000_006
    file.close()
    raw_server.close()


def test_a_paused_reader_gets_nothing_until_it_resumes(raw_server: RawServer, join: Joiner) -> None:
    callee = Recorder()
    connection, other = join(raw_server, Recorder(), callee)
    other.pause_reading()
    connection.write(b"hello")
    for _ in range(5):
        raw_server.listen_once(0.0)
    assert not callee.data
    other.resume_reading()
    run_until(raw_server, lambda: callee.data == b"hello")


@pytest.mark.parametrize("pauses_twice", [False, True])
def test_a_paused_reader_whose_peer_has_gone_does_not_spin(
    raw_server: RawServer, pauses_twice: bool, join: Joiner
) -> None:
    callee = Recorder()
    connection, other = join(raw_server, Recorder(), callee)
    other.pause_reading()
    if pauses_twice:
        other.pause_reading()
    connection.write(b"last words")
    connection.close_when_flushed()
    for _ in range(5):
        raw_server.listen_once(0.0)
    began = raw_server.network.time()
    raw_server.listen_once(0.1)
    assert raw_server.network.time() - began > 0.05  # nothing woke it
    assert "connection_lost" not in callee.events
    other.resume_reading()
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert callee.data == b"last words"


def test_one_side_may_end_and_the_other_go_on(raw_server: RawServer, join: Joiner) -> None:
    caller = Recorder()
    callee = Recorder(eof_received=lambda connection: True)
    connection, other = join(raw_server, caller, callee)
    connection.write(b"question")
    connection.shutdown(socket.SHUT_WR)
    run_until(raw_server, lambda: "eof_received" in callee.events)
    assert callee.data == b"question"
    began = raw_server.network.time()
    raw_server.listen_once(0.1)
    assert raw_server.network.time() - began > 0.05
    answer = b"x" * 1_000_000
    other.write(answer)
    other.close_when_flushed()
    run_until(raw_server, lambda: "connection_lost" in caller.events and other.lost)
    assert caller.data == answer
    assert connection.error is None
    assert callee.events.count("eof_received") == 1


@pytest.mark.parametrize("lingers", [True, False])
@pytest.mark.parametrize("size", [0, 1, 100, 3_000_000])
def test_last_bytes_come_whole_and_then_the_end(
    raw_server: RawServer, join: Joiner, size: int, lingers: bool
) -> None:
    caller, callee = Recorder(), Recorder()
    connection, other = join(raw_server, caller, callee)
    data = bytes(range(251)) * (size // 251 + 1)
    connection.write(b"first ")
    connection.write_last(bytearray(data[:size]), lingers=lingers)
    assert not connection.write(b"too late")
    assert "connection_lost" not in caller.events
    run_until(raw_server, lambda: {"connection_lost"} <= {*caller.events} & {*callee.events})
    assert bytes(callee.data) == b"first " + data[:size]
    assert "eof_received" in callee.events
    assert connection.error is None
    assert other.error is None
    assert connection.sent == len(callee.data)


def test_last_bytes_of_one_whose_peer_has_ended_its_side(
    raw_server: RawServer, join: Joiner
) -> None:
    caller = Recorder()
    callee = Recorder(eof_received=lambda connection: connection.write_last(b"answer"))
    connection, other = join(raw_server, caller, callee)
    connection.write(b"question")
    connection.shutdown()
    run_until(raw_server, lambda: "connection_lost" in caller.events)
    assert caller.data == b"answer"
    assert other.error is None


def test_last_bytes_before_it_is_made_and_after_it_was_lost(raw_server: RawServer) -> None:
    caller, callee = Recorder(), Recorder()
    connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, callee)), caller)
    connection.write_last(b"all")
    connection.write_last(b" and too late")
    run_until(raw_server, lambda: "connection_lost" in callee.events)
    assert callee.data == b"all"
    connection.write_last(b"later still")
    assert connection.lost
