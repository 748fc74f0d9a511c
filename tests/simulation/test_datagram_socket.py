import errno
import socket
import struct
from typing import Any

import pytest

from kit.hosts import (
    LATENCY,
    ONE,
    OTHER,
    OTHER_IPV6,
    code_of,
    datagram_socket,
    two_hosts,
)
from rawserver.simulation.datagram_socket import LONGEST_IPV4, LONGEST_IPV6, SimulatedBatches
from rawserver.simulation.description import ERROR, READABLE, WRITABLE
from rawserver.simulation.rules import Fail, between


@pytest.mark.parametrize("ip", [OTHER, OTHER_IPV6])
def test_a_datagram_takes_its_time_and_says_whence_it_is(ip: str) -> None:
    world, one, other = two_hosts()
    taker = datagram_socket(other, ip)
    sender = datagram_socket(one, "::" if ":" in ip else "0.0.0.0")
    began = world.now
    assert sender.sendto(b"hello", taker.getsockname()) == 5
    assert taker.poll_events() == WRITABLE
    world.run(condition=lambda: taker.has_next)
    assert world.now - began == pytest.approx(LATENCY)
    assert taker.poll_events() == READABLE | WRITABLE
    data, address = taker.recvfrom(100)
    assert data == b"hello"
    assert address[:2] == (one.address_like(ip), sender.getsockname()[1])
    assert code_of(taker.recvfrom, 1) == errno.EAGAIN


def test_both_families_on_one_socket() -> None:
    world, one, other = two_hosts()
    both = datagram_socket(other, "::")
    port = both.getsockname()[1]
    sender = datagram_socket(one)
    sender.sendto(b"hello", (OTHER, port))
    world.run(seconds=1.0)
    _, address = both.recvfrom(10)
    assert address == (f"::ffff:{ONE}", sender.getsockname()[1], 0, 0)
    both.sendto(b"answer", address)
    world.run(seconds=1.0)
    assert sender.recvfrom(10) == (b"answer", (OTHER, port))


@pytest.mark.parametrize(("ip", "longest"), [(OTHER, LONGEST_IPV4), (OTHER_IPV6, LONGEST_IPV6)])
def test_the_longest_goes_and_no_longer_one(ip: str, longest: int) -> None:
    world, one, other = two_hosts()
    taker, sender = datagram_socket(other, ip), datagram_socket(one, "::")
    if ":" not in ip:
        ip = f"::ffff:{ip}"
    address = (ip, taker.getsockname()[1])
    sender.sendto(bytes(longest), address)
    assert code_of(sender.sendto, bytes(longest + 1), address) == errno.EMSGSIZE
    world.run(seconds=1.0)
    assert len(taker.recv(70_000)) == longest


def test_what_there_is_no_room_for_when_it_is_read_is_cut_off() -> None:
    _, one, _ = two_hosts()
    taker = datagram_socket(one, "127.0.0.1")
    for data in (b"first", b"second"):
        taker.sendto(data, taker.getsockname())
    assert taker.recv(3, socket.MSG_PEEK) == b"fir"
    assert taker.recv(3) == b"fir"
    buffer = bytearray(3)
    assert taker.recv_into(buffer) == 3
    assert buffer == b"sec"


def test_a_full_buffer_loses_what_comes() -> None:
    world, one, other = two_hosts()
    taker, sender = datagram_socket(other, OTHER), datagram_socket(one)
    taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 5000)
    for number in range(20):
        sender.sendto(bytes([number]) * 1000, taker.getsockname())
    world.run(seconds=1.0)
    got = []
    while not code_of(lambda: got.append(taker.recv(2000)[0])):
        pass
    assert got == list(range(len(got)))
    assert 4 <= len(got) <= 6


def test_where_nobody_is_a_connected_one_is_told() -> None:
    world, one, _other = two_hosts()
    sock, unconnected = datagram_socket(one), datagram_socket(one)
    assert sock.connect_ex((OTHER, 9)) == 0
    assert sock.getpeername() == (OTHER, 9)
    assert sock.getsockname()[0] == ONE
    unconnected.sendto(b"anybody?", (OTHER, 9))
    sock.send(b"anybody?")
    world.run(seconds=1.0)
    assert unconnected.poll_events() == WRITABLE
    assert sock.poll_events() == WRITABLE | ERROR
    assert code_of(sock.recv, 10) == errno.ECONNREFUSED
    sock.send(b"anybody?")
    world.run(seconds=1.0)
    assert code_of(sock.send, b"x") == errno.ECONNREFUSED
    sock.send(b"x")
    world.run(seconds=1.0)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_a_rule_may_refuse_what_is_sent() -> None:
    world, one, other = two_hosts()
    sender = datagram_socket(one)
    with world.fabric.rules.add(between([one], [other], Fail(errno.ENOBUFS))):
        assert code_of(sender.sendto, b"x", (OTHER, 9)) == errno.ENOBUFS
    sender.sendto(b"x", (OTHER, 9))


def test_a_connected_one_hears_its_peer_alone() -> None:
    world, one, other = two_hosts()
    sock, peer, third = datagram_socket(one), datagram_socket(other), datagram_socket(other)
    sock.connect_ex((OTHER, peer.getsockname()[1]))
    for sender in (third, peer):
        sender.sendto(b"hello", (ONE, sock.getsockname()[1]))
    world.run(seconds=1.0)
    assert sock.recvfrom(10)[1] == (OTHER, peer.getsockname()[1])
    assert code_of(sock.recv, 10) == errno.EAGAIN


def test_what_cannot_be_sent() -> None:
    _, one, _ = two_hosts()
    sock = one.kernel.socket(socket.AF_INET, socket.SOCK_DGRAM)
    assert code_of(sock.send, b"x") == errno.EDESTADDRREQ
    assert sock.getsockname()[1]  # it has a port by now
    assert code_of(sock.sendto, b"x", (OTHER, 0)) == errno.EINVAL
    assert code_of(sock.listen) == errno.EOPNOTSUPP
    assert code_of(sock.accept) == errno.EOPNOTSUPP
    assert code_of(sock.shutdown, 1) == errno.ENOTCONN
    assert code_of(sock.sendto, b"x", (OTHER, 9)) == errno.EPIPE


def test_batches_are_as_many_calls() -> None:
    _, one, _ = two_hosts()
    taker, sender = datagram_socket(one, "::"), datagram_socket(one, "127.0.0.1")
    port = taker.getsockname()[1]
    batches, taken = SimulatedBatches(sender), SimulatedBatches(taker)
    assert code_of(taken.receive, 5) == errno.EAGAIN
    assert batches.send([(("127.0.0.1", port), b"ab")] * 7) == (7, 14)
    source = sender.getsockname()
    assert taken.receive(5) == ([(source, b"ab")] * 5, 10)
    assert taken.receive(5) == ([(source, b"ab")] * 2, 4)
    some = [(("127.0.0.1", port), b"ab"), (("127.0.0.1", port), bytes(70_000))]
    assert batches.send(some) == (1, 2)
    assert code_of(batches.send, some[1:]) == errno.EMSGSIZE


@pytest.mark.parametrize("ip", ["::", "0.0.0.0"])
def test_one_is_sent_as_by_sendto(ip: str) -> None:
    world, one, other = two_hosts()
    taker, sender = datagram_socket(other, "::"), datagram_socket(one, ip)
    to = (OTHER, taker.getsockname()[1])
    for _ in range(2):
        assert sender.send_to(b"hello", to) == 5
        assert sender.send_to(bytearray(b"hello"), to) == 5
    world.run(seconds=1.0)
    source = (ONE, sender.getsockname()[1])
    assert taker.take_out(9) == ([(source, b"hello")] * 4, 20)
    with world.fabric.rules.add(between([one], [other], Fail(errno.ENOBUFS))):
        assert code_of(sender.send_to, b"x", to) == errno.ENOBUFS
    assert code_of(sender.send_to, bytes(LONGEST_IPV4 + 1), to) == errno.EMSGSIZE
    assert code_of(sender.send_to, b"x", (OTHER, 0)) == errno.EINVAL
    with pytest.raises(OverflowError):
        sender.send_to(b"x", (OTHER, 65536))
    with pytest.raises(TypeError):
        sender.send_to(b"x", (OTHER, "9"))
    assert code_of(sender.shutdown, 1) == errno.ENOTCONN
    assert code_of(sender.send_to, b"x", to) == errno.EPIPE
    sender.close()
    assert code_of(sender.send_to, b"x", to) == errno.EBADF


@pytest.mark.parametrize("to", [ONE, "127.0.0.1", "0.0.0.0", "localhost", "010.0.0.1"])
def test_what_one_sends_to_its_own_host_is_there_at_once(to: str) -> None:
    _, one, _ = two_hosts()
    taker, sender = datagram_socket(one), datagram_socket(one)
    port = taker.getsockname()[1]
    if to.startswith("010"):
        assert code_of(sender.send_to, b"x", (to, port)) == socket.EAI_NONAME
    else:
        assert sender.send_to(b"x", (to, port)) == 1
        assert taker.has_next


def test_one_is_sent_from_where_the_socket_is_bound_and_connected() -> None:
    world, one, other = two_hosts()
    taker = datagram_socket(other)
    to = (OTHER, taker.getsockname()[1])
    unbound = one.kernel.socket(socket.AF_INET, socket.SOCK_DGRAM)
    unbound.send_to(b"x", to)
    world.run(seconds=1.0)
    assert taker.recvfrom(9) == (b"x", (ONE, unbound.getsockname()[1]))
    alone = one.kernel.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    alone.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    alone.bind(("::", 6881))
    assert code_of(alone.send_to, b"x", to) == errno.ENETUNREACH
    local = datagram_socket(one, "127.0.0.1")
    local.send_to(b"x", to)
    world.run(seconds=1.0)
    assert taker.recvfrom(9)[1][0] == "127.0.0.1"


def test_a_socket_of_both_families_shows_each_as_it_is() -> None:
    world, one, other = two_hosts()
    taker = datagram_socket(other, "::")
    port = taker.getsockname()[1]
    senders = [datagram_socket(one, ip) for ip in ("0.0.0.0", "::")]
    senders[0].sendto(b"four", (OTHER, port))
    senders[1].sendto(b"six", (OTHER_IPV6, port))
    world.run(seconds=1.0)
    ports = [sender.getsockname()[1] for sender in senders]
    first, second = (ONE, ports[0]), (one.address_like(OTHER_IPV6), ports[1], 0, 0)
    batch, count = taker.take_out(9)
    assert sorted(batch) == sorted([(first, b"four"), (second, b"six")])
    assert count == 7


def test_one_of_ipv4_has_nothing_of_ipv6() -> None:
    world, one, other = two_hosts()
    taker, sender = datagram_socket(other, "0.0.0.0"), datagram_socket(one, "::")
    sender.sendto(b"x", (OTHER_IPV6, taker.getsockname()[1]))
    world.run(seconds=1.0)
    assert not taker.has_next


def test_an_error_amid_a_batch_is_told_the_next_time() -> None:
    _, one, _ = two_hosts()
    sock, peer = datagram_socket(one, "127.0.0.1"), datagram_socket(one, "127.0.0.1")
    sock.connect_ex(peer.getsockname())
    peer.sendto(b"last words", sock.getsockname())
    peer.close()
    sock.send(b"anybody?")
    batches = SimulatedBatches(sock)
    assert code_of(batches.receive, 5) == errno.ECONNREFUSED
    assert [data for _, data in batches.receive(5)[0]] == [b"last words"]


def join(sock: Any, group: str, *, leaves: bool = False) -> None:
    if ":" in group:
        option = socket.IPV6_LEAVE_GROUP if leaves else socket.IPV6_JOIN_GROUP
        value = struct.pack("=16sI", socket.inet_pton(socket.AF_INET6, group), 0)
        sock.setsockopt(socket.IPPROTO_IPV6, option, value)
    else:
        option = socket.IP_DROP_MEMBERSHIP if leaves else socket.IP_ADD_MEMBERSHIP
        value = struct.pack("=4s4si", socket.inet_aton(group), bytes(4), 0)
        sock.setsockopt(socket.IPPROTO_IP, option, value)


@pytest.mark.parametrize("group", ["239.1.2.3", "ff15::3"])
def test_members_of_a_group_on_all_hosts_take_what_comes_to_it(group: str) -> None:
    world, one, other = two_hosts()
    wildcard = "::" if ":" in group else "0.0.0.0"
    members = [datagram_socket(host, wildcard, 6771) for host in (one, other)]
    third = datagram_socket(world.add_host("third", "10.0.0.3", "fd00::3"), wildcard, 6771)
    for member in members:
        join(member, group)
        assert code_of(join, member, group) == errno.EADDRINUSE
    members[0].sendto(b"hello", (group, 6771))
    world.run(seconds=1.0)
    assert [member.recv(10) for member in members] == [b"hello"] * 2
    assert code_of(third.recv, 10) == errno.EAGAIN
    join(members[1], group, leaves=True)
    members[0].sendto(b"again", (group, 6771))
    world.run(seconds=1.0)
    assert members[0].recv(10) == b"again"
    assert code_of(members[1].recv, 10) == errno.EAGAIN
    assert code_of(lambda: join(members[1], group, leaves=True)) == errno.EADDRNOTAVAIL
    members[0].close()
    assert world.groups[group] == {}


def test_how_far_it_goes_and_whether_it_comes_back() -> None:
    world, one, other = two_hosts()
    members = [datagram_socket(host, port=6771) for host in (one, other)]
    for member in members:
        join(member, "239.1.2.3")
    sender = datagram_socket(one)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    sender.sendto(b"others", ("239.1.2.3", 6771))
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
    sender.sendto(b"itself", ("239.1.2.3", 6771))
    world.run(seconds=1.0)
    assert [member.recv(10) for member in members] == [b"itself", b"others"]


def test_no_group_is_joined_that_is_none() -> None:
    _, one, _ = two_hosts()
    assert code_of(join, datagram_socket(one), "10.0.0.1") == errno.EINVAL
