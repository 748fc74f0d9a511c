import errno
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rawserver.engine import datagram_batches
from rawserver.engine.datagram_batches import MOST_ADDRESSES, SLOTS, BatchMemory, OsDatagramBatches
from rawserver.engine.packed_address import pack_address

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.byteorder != "little", reason="recvmmsg and sendmmsg are Linux's"
)

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class End:
    """A socket on loopback, with its batches."""

    def __init__(self, family: int, free: dict[int, list[BatchMemory]]) -> None:
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((HOSTS[family], 0))
        self.sock.setblocking(False)
        self.address = self.sock.getsockname()
        made = datagram_batches.datagram_batches(self.sock, free)
        assert made is not None
        self.batches: OsDatagramBatches = made


@pytest.fixture
def free() -> dict[int, list[BatchMemory]]:
    return {}


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def ends(
    request: pytest.FixtureRequest, free: dict[int, list[BatchMemory]]
) -> Iterator[tuple[End, End]]:
    try:
        pair = End(request.param, free), End(request.param, free)
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    yield pair
    for end in pair:
        end.sock.close()


def numbered(count: int) -> list[bytes]:
    return [f"{number}".encode() * (number % 7) for number in range(count)]


def test_what_is_sent_comes_in_in_order_each_with_its_address(ends: tuple[End, End]) -> None:
    one, other = ends
    parts = numbered(SLOTS)
    taken = one.batches.send([(other.address, part) for part in parts])
    assert taken == (SLOTS, sum(map(len, parts)))
    batch, size = other.batches.receive(1000)
    assert batch == [(one.address, part) for part in parts]
    assert size == sum(map(len, parts))


def test_at_most_as_many_are_taken_as_were_asked_for(ends: tuple[End, End]) -> None:
    one, other = ends
    one.batches.send([(other.address, part) for part in numbered(5)])
    assert len(other.batches.receive(2)[0]) == 2
    assert len(other.batches.receive(2)[0]) == 2
    assert len(other.batches.receive(2)[0]) == 1


def test_at_most_as_many_are_sent_as_there_are_slots(ends: tuple[End, End]) -> None:
    one, other = ends
    assert one.batches.send([(other.address, b"x")] * (SLOTS + 1)) == (SLOTS, SLOTS)


def test_nothing_to_take_is_told_as_recvfrom_tells_it(ends: tuple[End, End]) -> None:
    with pytest.raises(BlockingIOError):
        ends[0].batches.receive(10)


def test_the_longest_and_the_shortest_come_whole(ends: tuple[End, End]) -> None:
    one, other = ends
    longest = bytes(range(256)) * 256
    longest = longest[:65507]
    for data in (longest, b"", longest[::-1], bytearray(b"array"), memoryview(b"view")):
        assert one.batches.send([(other.address, data)]) == (1, len(data))
        assert other.batches.receive(10) == ([(one.address, bytes(data))], len(data))


def test_one_that_is_too_long_is_refused_and_those_before_it_go(ends: tuple[End, End]) -> None:
    one, other = ends
    batch = [(other.address, b"first"), (other.address, bytes(70_000)), (other.address, b"last")]
    assert one.batches.send(batch) == (1, 5)
    with pytest.raises(OSError, match="too long") as caught:
        one.batches.send(batch[1:])
    assert caught.value.errno == errno.EMSGSIZE
    assert other.batches.receive(10) == ([(one.address, b"first")], 5)


def test_a_socket_that_was_closed_is_not_another_that_has_its_descriptor(
    ends: tuple[End, End],
) -> None:
    one, other = ends
    one.sock.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        one.batches.send([(other.address, b"x")])
    with pytest.raises(OSError, match="Bad file descriptor"):
        one.batches.receive(1)


@pytest.mark.parametrize("address", [("localhost", 1), ("127.0.0.1", 1 << 16), ("127.0.0.1", -1)])
def test_what_is_no_address_is_refused(ends: tuple[End, End], address: Any) -> None:
    with pytest.raises((OSError, OverflowError)):
        ends[0].batches.send([(address, b"x")])
    ends[0].batches.send([(ends[1].address, b"x")])


def test_packed_addresses_come_as_the_system_has_them_and_go_back_so(
    ends: tuple[End, End],
) -> None:
    one, other = ends
    is_ipv6 = ":" in one.address[0]
    parts = numbered(SLOTS)
    to = [pack_address(other.address, is_ipv6)] * SLOTS
    assert one.batches.send_packed(to, parts) == (SLOTS, sum(map(len, parts)))
    addresses, datagrams, size = other.batches.receive_packed(1000)
    assert addresses == [pack_address(one.address, is_ipv6)] * SLOTS
    assert (datagrams, size) == (parts, sum(map(len, parts)))
    assert other.batches.send_packed(addresses[:3], datagrams[1:4])[0] == 3
    assert one.batches.receive_packed(2)[1] == parts[1:3]
    assert one.batches.receive(2) == ([(other.address, parts[3])], len(parts[3]))


def test_an_address_of_the_other_family_is_refused_before_anything_is_sent(
    ends: tuple[End, End],
) -> None:
    one, other = ends
    is_ipv6 = ":" in one.address[0]
    addresses = [pack_address(other.address, is_ipv6), pack_address(("127.0.0.1", 1), not is_ipv6)]
    with pytest.raises(ValueError, match="family"):
        one.batches.send_packed(addresses, numbered(2))
    with pytest.raises(BlockingIOError):
        other.batches.receive_packed(1)


def test_sockets_of_a_family_have_their_memory_in_common(
    ends: tuple[End, End], free: dict[int, list[BatchMemory]]
) -> None:
    one, other = ends
    one.batches.send([(other.address, b"x")])
    other.batches.receive(1)
    ((memory,),) = free.values()
    with pytest.raises(BlockingIOError):
        other.batches.receive(1)
    assert list(free.values()) == [[memory]]


def test_a_call_amid_another_has_memory_of_its_own(
    ends: tuple[End, End], free: dict[int, list[BatchMemory]]
) -> None:
    one, other = ends
    one.batches.send([(other.address, b"x")])
    ((memory,),) = free.values()
    taken = next(iter(free.values())).pop()  # as by another thread
    assert other.batches.receive(1)[0] == [(one.address, b"x")]
    ((another,),) = free.values()
    assert another is not taken is memory


def test_an_ipv4_peer_of_a_socket_of_both_families_is_shown_as_such(
    free: dict[int, list[BatchMemory]],
) -> None:
    both = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    with both, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", 0))
        other.bind(("127.0.0.1", 0))
        batches = datagram_batches.datagram_batches(both, free)
        assert batches is not None
        assert batches.send([(other.getsockname(), b"there")]) == (1, 5)
        data, address = other.recvfrom(10)
        assert data == b"there"
        other.sendto(b"back", address)
        assert batches.receive(10) == ([(other.getsockname(), b"back")], 4)


def test_what_does_things_its_own_way_is_left_to_its_own_methods() -> None:
    class Own(socket.socket):
        pass

    with Own(socket.AF_INET, socket.SOCK_DGRAM) as own, socket.socket() as stream:
        assert datagram_batches.datagram_batches(own, {}) is None
        assert datagram_batches.datagram_batches(stream, {}) is None
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        assert datagram_batches.datagram_batches(unix, {}) is None


def test_a_system_without_the_calls_has_no_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagram_batches, "_recvmmsg", None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert datagram_batches.datagram_batches(sock, {}) is None


def test_a_process_that_is_forked_off_has_memory_of_its_own() -> None:
    program = """
        import os
        from rawserver.engine.datagram_batches import BatchMemory

        memory = BatchMemory(is_ipv6=False)
        child = os.fork()
        if not child:
            memory.buffer[:6] = b"theirs"
            os._exit(0)
        os.waitpid(child, 0)
        print(memory.buffer[:6] == bytes(6))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    assert subprocess.check_output(command, timeout=30) == b"True\n"


PORTS = st.integers(0, 65535)
IPV6 = st.ip_addresses(v=6).filter(lambda ip: ip.ipv4_mapped is None).map(str)
MEMORY_4 = BatchMemory(is_ipv6=False)
MEMORY_6 = BatchMemory(is_ipv6=True)


@settings(deadline=None)
@given(st.ip_addresses(v=4).map(str), PORTS)
def test_ipv4_addresses_are_written_and_read(ip: str, port: int) -> None:
    assert MEMORY_4.show(MEMORY_4.pack((ip, port))) == (ip, port)
    assert MEMORY_6.show(MEMORY_6.pack((ip, port))) == (ip, port)
    assert MEMORY_6.pack((f"::ffff:{ip}", port)) == MEMORY_6.pack((ip, port))


@settings(deadline=None)
@given(IPV6, PORTS, st.integers(0, (1 << 20) - 1), st.integers(0, (1 << 32) - 1))
def test_ipv6_addresses_are_written_and_read(ip: str, port: int, flow: int, scope: int) -> None:
    raw = MEMORY_6.pack((ip, port, flow, scope))
    shown = MEMORY_6.show(raw)
    assert shown[1:] == (port, flow, scope)
    assert socket.inet_pton(socket.AF_INET6, shown[0]) == socket.inet_pton(socket.AF_INET6, ip)
    assert MEMORY_6.pack((ip, port)) == MEMORY_6.pack((ip, port, 0, 0))


def test_the_addresses_that_are_kept_are_bounded() -> None:
    memory = BatchMemory(is_ipv6=False)
    for number in range(MOST_ADDRESSES * 2):
        address = (f"10.0.{number >> 8}.{number & 255}", 1)
        assert memory.show(memory.pack(address)) == address
        assert len(memory.shown) <= MOST_ADDRESSES
        assert len(memory.packed) <= MOST_ADDRESSES
