"""Connections between two hosts, with what goes wrong on the way."""

import errno
import socket
import struct
from typing import Any

import pytest

from kit.hosts import (
    LATENCY,
    ONE,
    OTHER,
    calling,
    code_of,
    joined,
    listening,
    read_all,
    two_hosts,
)
from rawserver.simulation.connection import ESTABLISHED, FIN_WAIT_SECONDS, TIME_WAIT_SECONDS
from rawserver.simulation.packet import ACK, DATA, FIN, SEGMENT, SYN, SYN_ACK, Packet
from rawserver.simulation.rules import DROP, PASS, Deliver, Fail, Verdict, between

RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def dropping(kind: int, times: int = 1) -> Any:
    """Return a rule that loses the first packets of a kind."""
    left = times

    def judge(packet: Packet) -> Verdict:
        nonlocal left
        if packet.kind == kind and left:
            left -= 1
            return DROP
        return PASS

    return judge


def errno_of(sock: Any) -> int:
    code: int = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return code


def test_a_handshake_takes_a_round_trip_and_a_half() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    began = world.now
    caller = calling(one, OTHER)
    assert code_of(caller.send, b"x") == errno.EAGAIN
    assert world.run(condition=lambda: caller.poll_events(), seconds=1.0)
    assert world.now - began == pytest.approx(2 * LATENCY)
    assert errno_of(caller) == 0
    assert code_of(server.accept) == errno.EAGAIN
    assert world.run(condition=lambda: server.poll_events(), seconds=1.0)
    assert world.now - began == pytest.approx(3 * LATENCY)
    callee, address = server.accept()
    assert address == (f"::ffff:{ONE}", caller.getsockname()[1], 0, 0)
    assert callee.getpeername() == address


@pytest.mark.parametrize("kind", [SYN, SYN_ACK, ACK])
@pytest.mark.parametrize("times", [1, 2])
def test_a_handshake_that_loses_packets_succeeds_later(kind: int, times: int) -> None:
    world, one, other = two_hosts()
    server = listening(other)
    world.fabric.rules.add(dropping(kind, times))
    caller = calling(one, OTHER)
    assert world.run(condition=lambda: server.poll_events(), seconds=10.0)
    callee, _ = server.accept()
    caller.send(b"hello")
    world.run(seconds=5.0)
    assert callee.recv(100) == b"hello"


def test_nobody_there_is_refused_and_silence_times_out() -> None:
    world, one, _ = two_hosts()
    world.fabric.rules.add(between([one], ["10.9.9.9"]))
    refused, unheard = calling(one, OTHER, 81), calling(one, "10.9.9.9")
    world.run(seconds=1.0)
    assert errno_of(refused) == errno.ECONNREFUSED
    assert unheard.poll_events() == 0
    world.run(seconds=130.0)
    assert errno_of(unheard) == errno.ETIMEDOUT


def test_what_the_network_says_of_a_connection_in_the_making_ends_it() -> None:
    world, one, other = two_hosts()
    world.fabric.rules.add(between([one], [other], Fail(errno.EHOSTUNREACH)))
    caller = calling(one, OTHER)
    world.run(seconds=1.0)
    assert errno_of(caller) == errno.EHOSTUNREACH


def test_what_it_says_of_one_that_is_made_is_told_when_nothing_else_is_heard() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    with world.fabric.rules.add(between([one], [other], Fail(errno.EHOSTUNREACH))):
        caller.send(b"hello")
        world.run(seconds=5.0)
        assert errno_of(caller) == 0
    world.run(seconds=30.0)
    assert callee.recv(100) == b"hello"
    world.fabric.rules.add(between([one], [other], Fail(errno.EHOSTUNREACH)))
    caller.send(b"again")
    world.run(seconds=2000.0)
    assert errno_of(caller) == errno.EHOSTUNREACH


def test_much_passes_and_both_ends_close() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    data = bytes(range(256)) * 10_000
    sent, got = 0, b""
    while len(got) < len(data):
        if caller.poll_events() & 4:
            sent += caller.send(data[sent : sent + 100_000]) if sent < len(data) else 0
        world.run(seconds=0.01)
        got += read_all(callee)
    assert got == data
    caller.close()
    world.run(seconds=1.0)
    assert callee.recv(10) == b""
    callee.close()
    world.run(seconds=1.0)
    assert one.kernel.streams.all()  # waits for what may still come
    assert not other.kernel.streams.all()
    world.run(seconds=TIME_WAIT_SECONDS)
    assert not one.kernel.streams.all()


@pytest.mark.parametrize("late", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(6))
def test_loss_and_disorder_delay_bytes_and_lose_none(seed: int, late: float) -> None:
    world, one, other = two_hosts(seed)
    caller, callee = joined(world, one, other)
    chance = world.child_random("loss")

    def judge(packet: Packet) -> Verdict:
        if chance.random() < 0.1:
            return DROP
        return Deliver(0.2 * chance.random()) if chance.random() < late else PASS

    world.fabric.rules.add(judge)
    data = chance.randbytes(300_000)
    sent, got = 0, b""
    began = world.now
    while len(got) < len(data):
        assert world.now - began < 600
        if sent < len(data) and caller.poll_events() & 4:
            sent += caller.send(data[sent : sent + 7000])
        world.run(seconds=0.01)
        got += read_all(callee)
    assert got == data
    assert world.now - began > 0.5
    caller.close()
    callee.close()
    world.run(seconds=300.0)
    assert not one.kernel.streams.all()
    assert not other.kernel.streams.all()


def test_a_partition_that_heals_goes_on() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    with world.fabric.rules.add(between([one], [other])):
        caller.send(b"x" * 100_000)
        world.run(seconds=60.0)
        assert code_of(callee.recv, 1) == errno.EAGAIN
        assert caller.unacknowledged == 100_000
    world.run(seconds=120.0)
    assert read_all(callee) == b"x" * 100_000
    assert caller.unacknowledged == 0


def test_a_silent_peer_is_given_up_in_the_end() -> None:
    world, one, other = two_hosts()
    caller, _ = joined(world, one, other)
    caller.send(b"anybody?")
    other.crash()
    world.run(seconds=2000.0)
    assert code_of(caller.recv, 10) == errno.ETIMEDOUT


def test_a_reader_that_stops_stops_the_writer_and_no_byte_is_lost() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    written = 0
    for _ in range(20):
        while not code_of(caller.send, b"x" * 65536):
            pass
        world.run(seconds=1.0)
    assert not caller.poll_events() & 4
    written = caller.connection.send_side.end - 1
    limits = one.limits
    assert written == limits.send_buffer + limits.receive_buffer
    assert len(callee.recv(1000)) == 1000
    world.run(seconds=10.0)
    got = 1000
    while got < written:
        got += len(read_all(callee))
        world.run(seconds=1.0)
    assert caller.poll_events() & 4


def test_a_reader_may_rest_for_hours() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    for _ in range(3):
        while not code_of(caller.send, b"x" * 65536):
            pass
        world.run(seconds=1.0)
    world.run(seconds=5 * 3600.0)
    assert errno_of(caller) == 0
    got = 0
    while got < one.limits.send_buffer + one.limits.receive_buffer:
        got += len(read_all(callee))
        world.run(seconds=1.0)


@pytest.mark.parametrize("kind", [DATA, ACK, FIN])
def test_a_lost_window_update_or_end_does_not_stop_it_for_ever(kind: int) -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    while not code_of(caller.send, b"x" * 65536):
        pass
    world.run(seconds=1.0)
    while not code_of(caller.send, b"x" * 65536):
        pass
    caller.close()
    world.run(seconds=1.0)
    world.fabric.rules.add(dropping(kind, 3))
    got = b""
    for _ in range(100):
        got += read_all(callee)
        world.run(seconds=1.0)
        if callee.connection.is_done:
            break
    got += read_all(callee)
    assert len(got) == one.limits.send_buffer + one.limits.receive_buffer
    assert callee.recv(1) == b""


def test_one_side_ends_and_the_other_goes_on() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    caller.send(b"question")
    caller.shutdown(socket.SHUT_WR)
    assert code_of(caller.send, b"more") == errno.EPIPE
    world.run(seconds=1.0)
    assert callee.recv(100) == b"question"
    assert callee.recv(100) == b""
    callee.send(b"answer")
    callee.close()
    world.run(seconds=1.0)
    assert caller.recv(100) == b"answer"
    assert caller.recv(100) == b""


def test_unread_bytes_reset_the_peer_at_close() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    caller.send(b"unread")
    world.run(seconds=1.0)
    callee.close()
    world.run(seconds=1.0)
    assert code_of(caller.recv, 10) == errno.ECONNRESET
    assert caller.recv(10) == b""
    assert code_of(caller.send, b"x") == errno.EPIPE


def test_lingering_for_no_time_resets() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    callee.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    callee.close()
    world.run(seconds=1.0)
    assert code_of(caller.send, b"x") == errno.ECONNRESET


def test_what_comes_for_one_that_is_closed_resets() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    callee.close()
    world.run(seconds=1.0)
    caller.send(b"too late")
    world.run(seconds=1.0)
    # The end had come: it is the next write that fails (as on Linux).
    assert code_of(caller.send, b"x") == errno.EPIPE


def test_a_reset_comes_after_what_was_received() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    callee.send(b"last words")
    callee.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    world.run(seconds=1.0)
    callee.close()
    world.run(seconds=1.0)
    assert caller.recv(100) == b"last words"
    assert code_of(caller.recv, 100) == errno.ECONNRESET


def test_a_host_that_forgot_it_all_resets() -> None:
    world, one, other = two_hosts()
    caller, _ = joined(world, one, other)
    other.crash()
    other.boot(lambda raw_server: None)
    caller.send(b"still there?")
    world.run(seconds=1.0)
    assert code_of(caller.recv, 10) == errno.ECONNRESET


def test_who_closed_waits_for_the_other_end_only_so_long() -> None:
    world, one, other = two_hosts()
    caller, _ = joined(world, one, other)
    caller.close()
    world.run(seconds=FIN_WAIT_SECONDS / 2)
    assert one.kernel.streams.all()
    world.run(seconds=FIN_WAIT_SECONDS)
    assert not one.kernel.streams.all()


def test_both_may_ask_at_once() -> None:
    world, one, other = two_hosts()
    ends = []
    for host in (one, other):
        sock = host.kernel.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.bind((host.addresses[0], 7000))
        ends.append(sock)
    for sock, ip in zip(ends, (OTHER, ONE), strict=True):
        assert sock.connect_ex((ip, 7000)) == errno.EINPROGRESS
    world.run(seconds=1.0)
    assert [sock.connection.state for sock in ends] == [ESTABLISHED] * 2
    ends[0].send(b"hello")
    world.run(seconds=1.0)
    assert ends[1].recv(10) == b"hello"


def test_a_reset_of_a_half_open_one_is_heard_by_nobody() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    world.fabric.rules.add(dropping(ACK, 100))
    caller = calling(one, OTHER)
    world.run(seconds=0.1)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    caller.close()
    world.run(seconds=1.0)
    assert code_of(server.accept) == errno.EAGAIN
    assert not other.kernel.streams.all()


def test_a_little_is_acknowledged_later_or_by_what_is_said_meanwhile() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    before = world.trace.deliveries
    caller.send(b"question")
    world.run(seconds=LATENCY + 0.001)
    callee.send(b"answer")
    world.run(seconds=5 * LATENCY)
    # The question, the answer, and that the answer has come.
    assert world.trace.deliveries - before == 3
    assert caller.unacknowledged == callee.unacknowledged == 0


def test_much_is_acknowledged_at_once() -> None:
    world, one, other = two_hosts()
    caller, _ = joined(world, one, other)
    caller.send(bytes(4000))
    world.run(seconds=2 * LATENCY + 0.001)
    assert caller.unacknowledged < 4000


def test_only_what_was_lost_is_sent_again() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    seen: list[int] = []

    def lose_some(packet: Packet) -> Verdict:
        if packet.kind != DATA:
            return PASS
        seen.append(packet.sequence)
        return DROP if len(seen) in (2, 5, 6) else PASS

    world.fabric.rules.add(lose_some)
    began = world.now
    caller.send(bytes(9 * SEGMENT))
    world.run(condition=lambda: caller.unacknowledged == 0, seconds=5.0)
    assert len(read_all(callee)) == 9 * SEGMENT
    again = [sequence for n, sequence in enumerate(seen) if sequence in seen[:n]]
    assert sorted(again) == [seen[1], seen[4], seen[5]]
    # Two round trips, and no time-out.
    assert world.now - began < 0.2


def test_data_that_is_sent_again_in_vain_ends_nothing() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    caller.send(b"hello")
    caller.shutdown(socket.SHUT_WR)
    world.run(seconds=1.0)
    assert read_all(callee) == b"hello"
    callee.send(bytes(100_000))
    source, destination = caller.getsockname(), callee.getsockname()[:2]
    callee.close()
    again = Packet(DATA, source, (OTHER, destination[1]), b"hello", 1, 1, 65536)
    world.fabric.send(again)
    world.run(seconds=5.0)
    assert len(read_all(caller)) == 100_000


def test_an_acknowledgement_of_a_connection_that_was_before_begins_none() -> None:
    world, _, other = two_hosts()
    server = listening(other)
    world.fabric.send(Packet(SYN, (ONE, 5000), (OTHER, 80), b"", 0, 0, 1000))
    world.fabric.send(Packet(ACK, (ONE, 5000), (OTHER, 80), b"", 7, 1001, 1000))
    world.run(seconds=1.0)
    assert server.poll_events() == 0
