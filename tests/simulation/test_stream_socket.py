import errno
import socket

import pytest

from kit.hosts import OTHER, OTHER_IPV6, calling, code_of, joined, listening, two_hosts
from rawserver.simulation.description import HANG_UP, READABLE, WRITABLE

MSG_MORE = getattr(socket, "MSG_MORE", 0x8000)


@pytest.mark.parametrize("ip", [OTHER, OTHER_IPV6])
def test_both_ends_know_one_another(ip: str) -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other, ip)
    assert caller.getpeername()[:2] == (ip, 80)
    assert callee.getpeername()[1] == caller.getsockname()[1]
    assert callee.getsockname()[0].endswith(ip)


def test_readiness_through_a_life() -> None:
    world, one, other = two_hosts()
    fresh = one.kernel.socket(socket.AF_INET, socket.SOCK_STREAM)
    assert fresh.poll_events() == WRITABLE | HANG_UP
    server = listening(other)
    assert server.poll_events() == 0
    caller = calling(one, OTHER)
    assert caller.poll_events() == 0
    world.run(seconds=1.0)
    assert server.poll_events() == READABLE
    assert caller.poll_events() == WRITABLE
    callee, _ = server.accept()
    callee.send(b"x")
    callee.shutdown(socket.SHUT_WR)
    world.run(seconds=1.0)
    assert caller.poll_events() == READABLE | WRITABLE
    caller.recv(10)
    assert caller.poll_events() == READABLE | WRITABLE
    caller.shutdown(socket.SHUT_WR)
    assert caller.poll_events() == READABLE | WRITABLE | HANG_UP


def test_what_may_be_connected_and_how_often() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    caller = calling(one, OTHER)
    assert caller.connect_ex((OTHER, 80)) == errno.EALREADY
    world.run(seconds=1.0)
    assert [caller.connect_ex((OTHER, 80)) for _ in range(2)] == [0, errno.EISCONN]
    assert server.connect_ex(("fd00::1", 80)) == errno.EISCONN
    refused = calling(one, OTHER, 81)
    world.run(seconds=1.0)
    assert refused.connect_ex((OTHER, 80)) == errno.ECONNREFUSED
    assert refused.connect_ex((OTHER, 80)) == errno.EINPROGRESS
    world.run(seconds=1.0)
    assert refused.connect_ex((OTHER, 80)) == 0
    multicast = one.kernel.socket(socket.AF_INET, socket.SOCK_STREAM)
    assert multicast.connect_ex(("239.1.1.1", 80)) == errno.ENETUNREACH


def test_any_kind_of_bytes_is_sent_and_read_into() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    assert caller.send(bytearray(b"one")) == 3
    assert caller.send(memoryview(b"two")) == 3
    assert caller.sendmsg([b"th", memoryview(b"ree")], [], 0) == 5
    assert caller.sendto(b"4", (OTHER, 1)) == 1
    assert caller.send(b"") == 0
    world.run(seconds=1.0)
    assert callee.recv(5, socket.MSG_PEEK) == b"onetw"
    buffer = bytearray(6)
    assert callee.recv_into(buffer) == 6
    assert buffer == b"onetwo"
    assert callee.recvfrom(100) == (b"three4", None)
    assert code_of(callee.recv, 1) == errno.EAGAIN
    with pytest.raises(ValueError, match="negative"):
        callee.recv(-1)


def test_what_is_given_away_may_be_changed_afterwards() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    data = bytearray(b"as it was")
    caller.send(data)
    data[:] = b"as it is!"
    world.run(seconds=1.0)
    assert callee.recv(100) == b"as it was"


def test_more_to_come_leaves_in_one_packet() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    before = world.trace.deliveries
    caller.send(b"header", MSG_MORE)
    world.run(seconds=0.1)
    assert world.trace.deliveries == before
    caller.send(b"body")
    world.run(seconds=0.1)
    assert world.trace.deliveries == before + 2
    assert callee.recv(100) == b"headerbody"


def test_without_no_delay_little_ones_wait_for_the_acknowledgement() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    for part in (b"a", b"b", b"c"):
        caller.send(part)
    world.run(seconds=0.03)
    assert callee.recv(10) == b"a"
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    world.run(seconds=0.02)
    assert callee.recv(10) == b"bc"


def test_buffers_are_as_large_as_they_were_made() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    callee.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    assert caller.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 16384
    assert caller.send(bytes(100_000)) == 8192
    assert not caller.poll_events() & WRITABLE
    assert code_of(caller.send, b"x") == errno.EAGAIN
    world.run(seconds=1.0)
    assert caller.poll_events() & WRITABLE


def test_what_a_listener_has_its_connections_begin_with() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 32)
    calling(one, OTHER)
    world.run(seconds=1.0)
    callee, _ = server.accept()
    assert callee.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert callee.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 32
    assert callee.connection.send_side.no_delay
    assert callee.reuse_address


def test_a_listener_may_be_shut() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    server.shutdown(socket.SHUT_WR)
    server.listen(1)
    server.shutdown(socket.SHUT_RD)
    assert code_of(server.accept) == errno.EINVAL
    caller = calling(one, OTHER)
    world.run(seconds=1.0)
    assert code_of(caller.recv, 1) == errno.ECONNREFUSED


def test_one_that_is_being_connected_may_be_shut_or_closed() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    first, second = calling(one, OTHER), calling(one, OTHER)
    first.shutdown(socket.SHUT_RDWR)
    second.close()
    world.run(seconds=5.0)
    assert first.poll_events() & HANG_UP
    assert code_of(server.accept) == errno.EAGAIN
    assert not one.kernel.streams.all()


def test_the_bound_address_is_kept_and_a_port_may_wait_for_connect() -> None:
    _world, one, other = two_hosts()
    listening(other)
    sock = one.kernel.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
    sock.bind(("10.0.0.1", 0))
    assert sock.getsockname() == ("10.0.0.1", 0)
    assert sock.connect_ex((OTHER, 80)) == errno.EINPROGRESS
    assert sock.getsockname()[1]
    local = one.kernel.socket(socket.AF_INET, socket.SOCK_STREAM)
    local.bind(("127.0.0.1", 0))
    assert local.connect_ex(("127.0.0.1", 1)) == errno.EINPROGRESS
    assert code_of(local.send, b"x") == errno.ECONNREFUSED
