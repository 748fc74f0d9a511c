"""Datagrams: by the batch where the network has that, and one by one."""

import errno
from collections.abc import Callable
from typing import Any

import pytest

from kit.loop import run_until
from rawserver import Network, RawServer, UdpSocket

ANY_PORT = 0
LONGEST = 65507  # what an IPv4 packet has room for


class Taker:
    """Takes datagrams one by one; `on_datagram` may name what to do at each."""

    def __init__(self, on_datagram: Callable[[], object] = lambda: None) -> None:
        self.got: list[tuple[Any, bytes]] = []
        self.errors: list[OSError] = []
        self.on_datagram = on_datagram

    @property
    def data(self) -> list[bytes]:
        return [data for _, data in self.got]

    def data_came_in(self, address: Any, data: bytes) -> None:
        self.got.append((address, data))
        self.on_datagram()

    def error_received(self, udp_socket: UdpSocket, error: OSError) -> None:
        self.errors.append(error)


class BatchTaker:
    """Takes a turn's datagrams at once."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[Any, bytes]]] = []

    @property
    def data(self) -> list[bytes]:
        return [data for batch in self.batches for _, data in batch]

    def datagrams_came_in(self, udp_socket: UdpSocket, batch: list[tuple[Any, bytes]]) -> None:
        self.batches.append(batch)

    def data_came_in(self, address: Any, data: bytes) -> None:
        raise AssertionError("given one by one as well")


@pytest.fixture(autouse=True, params=["by the batch", "one by one"])
def way(request: pytest.FixtureRequest, network: Network, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "one by one":
        monkeypatch.setattr(network, "datagram_batches", lambda sock: None)
    return str(request.param)


def opened(
    raw_server: RawServer, handler: Any = None, bind: str = "127.0.0.1", context: Any = None
) -> UdpSocket:
    sock = raw_server.create_udpsocket(ANY_PORT, bind)
    return raw_server.start_listening_udp(sock, handler or Taker(), context)


def opened_ipv6(raw_server: RawServer, handler: Any = None) -> UdpSocket:
    try:
        return opened(raw_server, handler, "::1")
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


def numbered(count: int) -> list[bytes]:
    return [f"datagram {number}".encode() for number in range(count)]


def test_datagrams_go_there_and_back(raw_server: RawServer) -> None:
    taker, other_taker = Taker(), Taker()
    one, other = opened(raw_server, taker), opened(raw_server, other_taker)
    assert one.local_address == one.sock.getsockname()
    assert one.write_to(b"hello", other.local_address)
    run_until(raw_server, lambda: other_taker.got)
    assert other_taker.got == [(one.local_address, b"hello")]
    assert other.write_to(b"answer", other_taker.got[0][0])
    run_until(raw_server, lambda: taker.got)
    assert taker.got == [(other.local_address, b"answer")]


def test_datagrams_go_over_ipv6(raw_server: RawServer) -> None:
    taker = Taker()
    one, other = opened_ipv6(raw_server, taker), opened_ipv6(raw_server)
    other.write_to(b"hello", one.local_address)
    assert other.write_batch([(one.local_address[:2], b"again")] * 10) == 10
    run_until(raw_server, lambda: len(taker.got) == 11)
    assert taker.got == [(other.local_address, b"hello")] + [(other.local_address, b"again")] * 10


def test_a_socket_of_both_families_shows_and_takes_ipv4_as_people_write_it(
    raw_server: RawServer,
) -> None:
    taker, other_taker = Taker(), Taker()
    both = opened(raw_server, taker, "")
    other = opened(raw_server, other_taker)
    port = both.local_address[1]
    other.write_to(b"hello", ("127.0.0.1", port))
    run_until(raw_server, lambda: taker.got)
    assert taker.got == [(other.local_address, b"hello")]
    both.write_to(b"answer", taker.got[0][0])
    both.write_batch([(taker.got[0][0], b"more")] * 10)
    run_until(raw_server, lambda: len(other_taker.got) == 11)
    assert set(other_taker.got) == {
        (("127.0.0.1", port), b"answer"),
        (("127.0.0.1", port), b"more"),
    }


@pytest.mark.parametrize("count", [1, 5, 64, 65])
def test_many_come_in_the_order_in_which_they_were_sent(raw_server: RawServer, count: int) -> None:
    taker = Taker()
    one, other = opened(raw_server, taker), opened(raw_server)
    for data in numbered(count):
        assert other.write_to(data, one.local_address)
    run_until(raw_server, lambda: len(taker.got) == count)
    assert taker.got == [(other.local_address, data) for data in numbered(count)]
    assert one.received == other.sent == count
    assert one.bytes_received == other.bytes_sent == sum(map(len, numbered(count)))


@pytest.mark.parametrize("count", [0, 1, 5, 64, 65])
def test_a_batch_goes_in_order(raw_server: RawServer, count: int) -> None:
    taker = Taker()
    one, other = opened(raw_server, taker), opened(raw_server)
    datagrams = ((one.local_address, data) for data in numbered(count))
    assert other.write_batch(datagrams) == count
    run_until(raw_server, lambda: len(taker.got) == count)
    assert taker.data == numbered(count)
    assert (other.sent, other.bytes_sent) == (count, sum(map(len, numbered(count))))
    assert (other.dropped, other.unsendable) == (0, 0)


@pytest.mark.parametrize("count", [1, 64, 65])
def test_a_handler_of_batches_is_called_once_for_a_turn(raw_server: RawServer, count: int) -> None:
    taker = BatchTaker()
    one, other = opened(raw_server, taker), opened(raw_server)
    other.write_batch([(one.local_address, data) for data in numbered(count)])
    run_until(raw_server, lambda: len(taker.data) == count)
    assert taker.data == numbered(count)
    most = raw_server.config.datagrams_per_turn
    assert [len(batch) for batch in taker.batches] == [most] * (count // most) + (
        [count % most] if count % most else []
    )
    assert {address for batch in taker.batches for address, _ in batch} == {other.local_address}


def test_the_shortest_and_the_longest_come_whole(raw_server: RawServer) -> None:
    taker = Taker()
    one, other = opened(raw_server, taker), opened(raw_server)
    longest = bytes(range(256)) * 256
    wanted = [b"", longest[:LONGEST], b"x", b""]
    for data in wanted:
        assert other.write_to(data, one.local_address)
    run_until(raw_server, lambda: len(taker.got) == 4)
    other.write_batch([(one.local_address, data) for data in [*wanted, b"", b""]])
    run_until(raw_server, lambda: len(taker.got) == 10)
    assert taker.data == [*wanted, *wanted, b"", b""]
    assert one.truncated == 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_bytes_may_be_sent(raw_server: RawServer, kind: Any) -> None:
    taker = Taker()
    one, other = opened(raw_server, taker), opened(raw_server)
    other.write_to(kind(b"first"), one.local_address)
    other.write_batch([(one.local_address, kind(b"next"))] * 8)
    run_until(raw_server, lambda: len(taker.got) == 9)
    assert taker.data == [b"first"] + [b"next"] * 8


@pytest.mark.parametrize("count", [2, 10])
def test_one_that_is_too_long_is_refused_and_those_before_it_go(
    raw_server: RawServer, count: int
) -> None:
    taker = Taker()
    one, other = opened(raw_server, taker), opened(raw_server)
    too_long = bytes(LONGEST + 1)
    with pytest.raises(OSError, match=r".") as caught:
        other.write_to(too_long, one.local_address)
    assert caught.value.errno == errno.EMSGSIZE
    batch = [*numbered(count - 1), too_long, b"after"]
    with pytest.raises(OSError, match=r".") as caught:
        other.write_batch([(one.local_address, data) for data in batch])
    assert caught.value.errno == errno.EMSGSIZE
    run_until(raw_server, lambda: len(taker.got) == count - 1)
    raw_server.listen_once(0.0)
    assert taker.data == numbered(count - 1)
    assert other.sent == count - 1


def test_one_that_is_paused_takes_nothing_until_it_resumes(raw_server: RawServer) -> None:
    taker, other_taker = Taker(), Taker()
    one, other = opened(raw_server, taker), opened(raw_server, other_taker)
    one.pause_reading()
    other.write_to(b"kept", one.local_address)
    other.write_to(b"self", other.local_address)
    run_until(raw_server, lambda: other_taker.got)
    assert not taker.got
    one.resume_reading()
    run_until(raw_server, lambda: taker.got)
    assert taker.data == [b"kept"]


def test_pausing_at_a_datagram_keeps_the_others_and_their_order(raw_server: RawServer) -> None:
    def pause() -> None:
        if len(taker.got) in (1, 3):
            one.pause_reading()

    taker = Taker(pause)
    one, other = opened(raw_server, taker), opened(raw_server)
    other.write_batch([(one.local_address, data) for data in numbered(5)])
    for count in (1, 3, 5):
        run_until(raw_server, lambda count=count: len(taker.got) >= count)
        raw_server.listen_once(0.0)
        assert len(taker.got) == count
        one.resume_reading()
        one.resume_reading()
    assert taker.data == numbered(5)
    assert one.is_reading


def test_what_was_held_back_comes_before_what_came_later(raw_server: RawServer) -> None:
    taker = Taker(lambda: one.pause_reading() if len(taker.got) == 1 else None)
    one, other = opened(raw_server, taker), opened(raw_server)
    sent = numbered(6)
    other.write_batch([(one.local_address, data) for data in sent[:3]])
    run_until(raw_server, lambda: taker.got)
    other.write_batch([(one.local_address, data) for data in sent[3:]])
    one.resume_reading()
    assert len(taker.got) == 1  # handlers are called by the loop alone
    run_until(raw_server, lambda: len(taker.got) == 6)
    assert taker.data == sent


def test_stopping_at_a_datagram_gives_no_other(raw_server: RawServer) -> None:
    taker = Taker(lambda: raw_server.stop_listening_udp(one.sock))
    one, other = opened(raw_server, taker), opened(raw_server)
    other.write_batch([(one.local_address, data) for data in numbered(3)])
    run_until(raw_server, lambda: taker.got)
    raw_server.listen_once(0.0)
    assert taker.data == [b"datagram 0"]
    assert one.discarded == one.received - 1
    assert one.sock.fileno() != -1
    one.sock.close()


def test_one_that_is_stopped_while_it_is_paused_gives_no_other(raw_server: RawServer) -> None:
    taker = Taker(lambda: one.pause_reading())
    one, other = opened(raw_server, taker), opened(raw_server)
    other.write_batch([(one.local_address, data) for data in numbered(3)])
    run_until(raw_server, lambda: taker.got)
    one.resume_reading()
    raw_server.stop_listening_udp(one.sock)
    raw_server.listen_once(0.0)
    assert taker.data == [b"datagram 0"]
    assert one.discarded == one.received - 1
    one.sock.close()


def test_a_connected_one_takes_its_peers_datagrams_alone(raw_server: RawServer) -> None:
    taker, peer_taker, third_taker = Taker(), Taker(), Taker()
    one, peer = opened(raw_server, taker), opened(raw_server, peer_taker)
    third = opened(raw_server, third_taker)
    one.connect(peer.local_address)
    assert one.peer == peer.local_address
    third.write_to(b"from another", one.local_address)
    third.write_to(b"self", third.local_address)
    assert one.write(b"hello")
    run_until(raw_server, lambda: peer_taker.got and third_taker.got)
    assert peer_taker.got == [(one.local_address, b"hello")]
    peer.write_to(b"answer", one.local_address)
    run_until(raw_server, lambda: taker.got)
    assert taker.got == [(peer.local_address, b"answer")]
    assert (one.sent, one.bytes_sent) == (1, 5)


def test_one_of_both_families_can_be_connected_to_ipv4(raw_server: RawServer) -> None:
    taker, peer_taker = Taker(), Taker()
    one, peer = opened(raw_server, taker, ""), opened(raw_server, peer_taker)
    one.connect(peer.local_address)
    assert one.peer == peer.local_address
    one.write(b"hello")
    run_until(raw_server, lambda: peer_taker.got)
    peer.write_to(b"answer", peer_taker.got[0][0])
    run_until(raw_server, lambda: taker.got)
    assert taker.got == [(peer.local_address, b"answer")]


def test_a_name_is_no_address_to_connect_to(raw_server: RawServer) -> None:
    one = opened(raw_server)
    with pytest.raises(ValueError, match="localhost"):
        one.connect(("localhost", 1))
    assert one.peer is None


def connected_to_nobody(raw_server: RawServer, handler: Any) -> tuple[UdpSocket, Any]:
    nobody = raw_server.create_udpsocket(ANY_PORT, "127.0.0.1")
    address = nobody.getsockname()
    nobody.close()
    one = opened(raw_server, handler)
    one.connect(address)
    return one, address


def test_a_connected_one_is_told_that_nobody_is_there_and_is_well(raw_server: RawServer) -> None:
    taker, peer_taker = Taker(), Taker()
    one, address = connected_to_nobody(raw_server, taker)
    assert one.write(b"anybody?")
    run_until(raw_server, lambda: taker.errors)
    assert [type(error) for error in taker.errors] == [ConnectionRefusedError]
    sock = raw_server.create_udpsocket(address[1], "127.0.0.1")
    peer = raw_server.start_listening_udp(sock, peer_taker)
    one.write(b"now?")
    run_until(raw_server, lambda: peer_taker.got)
    peer.write_to(b"yes", one.local_address)
    run_until(raw_server, lambda: taker.got)
    assert taker.data == [b"yes"]


def test_a_refusal_that_waits_does_not_keep_the_next_from_being_sent(
    raw_server: RawServer,
) -> None:
    taker = Taker()
    one, _ = connected_to_nobody(raw_server, taker)
    assert [one.write(b"x") for _ in range(3)] == [True] * 3
    assert one.sent == 3
    assert not taker.errors  # handlers are called by the loop alone
    run_until(raw_server, lambda: len(taker.errors) >= 2)
    assert {type(error) for error in taker.errors} == {ConnectionRefusedError}


def test_one_whose_handler_does_not_ask_goes_on_after_a_refusal(raw_server: RawServer) -> None:
    class Silent:
        def data_came_in(self, address: Any, data: bytes) -> None:
            got.append(data)

    got: list[bytes] = []
    one, address = connected_to_nobody(raw_server, Silent())
    one.write(b"anybody?")
    raw_server.listen_once(0.0)
    sock = raw_server.create_udpsocket(address[1], "127.0.0.1")
    peer = raw_server.start_listening_udp(sock, Taker())
    peer.write_to(b"yes", one.local_address)
    run_until(raw_server, lambda: got)


class Context:
    def __init__(self) -> None:
        self.errors: list[str] = []

    def got_exception(self, error: BaseException, *where: object) -> None:
        self.errors.append(str(error))


class Faulty:
    def data_came_in(self, address: Any, data: bytes) -> None:
        raise LookupError(data.decode())

    def error_received(self, udp_socket: UdpSocket, error: OSError) -> None:
        raise LookupError("refused")


class FaultyWithBatches:
    def datagrams_came_in(self, udp_socket: UdpSocket, batch: list[tuple[Any, bytes]]) -> None:
        raise LookupError(f"{len(batch)} datagrams")


def test_a_fault_of_a_handler_goes_to_its_context_and_ends_nothing(
    faulty_server: RawServer, faults: list[str]
) -> None:
    context = Context()
    faulty_server.add_context(context)
    one = opened(faulty_server, Faulty(), context=context)
    other = opened(faulty_server)
    other.write_batch([(one.local_address, data) for data in numbered(3)])
    run_until(faulty_server, lambda: len(context.errors) == 3)
    assert context.errors == ["datagram 0", "datagram 1", "datagram 2"]
    batching = opened(faulty_server, FaultyWithBatches(), context=context)
    other.write_batch([(batching.local_address, data) for data in numbered(2)])
    run_until(faulty_server, lambda: len(context.errors) == 4)
    assert context.errors[-1] == "2 datagrams"
    assert one.is_reading
    assert batching.is_reading
    assert len(faults) == 4


def test_a_fault_in_hearing_of_a_refusal_ends_nothing(
    faulty_server: RawServer, faults: list[str]
) -> None:
    one, _ = connected_to_nobody(faulty_server, Faulty())
    one.write(b"anybody?")
    run_until(faulty_server, lambda: faults)
    assert "LookupError: refused" in faults[0]
    assert one.is_reading


def test_the_end_of_a_context_closes_its_sockets(raw_server: RawServer) -> None:
    raw_server.add_context("context")
    taker, other_taker = Taker(), Taker()
    one = opened(raw_server, taker, context="context")
    other = opened(raw_server, other_taker)
    other.write_to(b"too late", one.local_address)
    raw_server.remove_context("context")
    other.write_to(b"self", other.local_address)
    run_until(raw_server, lambda: other_taker.got)
    assert one.sock.fileno() == -1
    assert not taker.got


def test_the_handler_may_be_replaced(raw_server: RawServer) -> None:
    def replace() -> None:
        one.handler = second

    first, second = Taker(replace), Taker()
    one, other = opened(raw_server, first), opened(raw_server)
    other.write_batch([(one.local_address, data) for data in numbered(3)])
    run_until(raw_server, lambda: len(second.got) == 2)
    assert (first.data, second.data) == (numbered(3)[:1], numbered(3)[1:])


def test_members_of_a_group_take_what_comes_to_it(raw_server: RawServer) -> None:
    group = "239.255.77.3"
    taker = Taker()
    try:
        sock = raw_server.create_multicastsocket(ANY_PORT, group, interface="127.0.0.1")
        member = raw_server.start_listening_multicast(sock, taker)
        member.write_to(b"hello", (group, member.local_address[1]))
    except OSError as error:
        pytest.skip(f"no multicast here: {error}")
    run_until(raw_server, lambda: taker.got)
    assert taker.data == [b"hello"]
    raw_server.stop_listening_multicast(sock)
    sock.close()
