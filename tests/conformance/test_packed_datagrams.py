"""Datagrams whose addresses stay packed, over every network, by the batch and one by one."""

import errno
from typing import Any

import pytest

from kit.loop import run_until
from rawserver import Network, RawServer, UdpSocket
from rawserver.engine.packed_address import ip_of_packed, pack_address, show_address


class Taker:
    """Takes a turn's datagrams at once, and answers each with itself if it is told to."""

    def __init__(self, *, answers: bool = False) -> None:
        self.got: list[tuple[bytes, bytes]] = []
        self.batches: list[int] = []
        self.answers = answers

    @property
    def data(self) -> list[bytes]:
        return [data for _, data in self.got]

    def packed_datagrams_came_in(
        self, udp_socket: UdpSocket, addresses: list[bytes], datagrams: list[bytes]
    ) -> None:
        self.got += zip(addresses, datagrams, strict=True)
        self.batches.append(len(datagrams))
        if self.answers:
            assert udp_socket.write_packed(addresses, datagrams) == len(datagrams)

    def datagrams_came_in(self, *args: object) -> None:
        raise AssertionError("given as shown addresses as well")


@pytest.fixture(autouse=True, params=["by the batch", "one by one"])
def way(request: pytest.FixtureRequest, network: Network, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "one by one":
        monkeypatch.setattr(network, "datagram_batches", lambda sock: None)
    return str(request.param)


def opened(raw_server: RawServer, handler: Any, bind: str = "127.0.0.1") -> UdpSocket:
    try:
        sock = raw_server.create_udpsocket(0, bind)
    except OSError as error:
        pytest.skip(f"no {bind} here: {error}")
    return raw_server.start_listening_udp(sock, handler)


def numbered(count: int) -> list[bytes]:
    return [f"datagram {number}".encode() for number in range(count)]


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("count", [1, 5, 6, 64, 65, 200])
def test_answers_go_back_to_where_the_questions_came_from(
    raw_server: RawServer, bind: str, count: int
) -> None:
    asking, answering = Taker(), Taker(answers=True)
    asker, answerer = opened(raw_server, asking, bind), opened(raw_server, answering, bind)
    packed = pack_address(answerer.local_address, ":" in bind)
    assert asker.write_packed([packed] * count, numbered(count)) == count
    run_until(raw_server, lambda: len(asking.got) == count)
    assert asking.data == answering.data == numbered(count)
    assert {show_address(address) for address, _ in answering.got} == {asker.local_address}
    assert {show_address(address) for address, _ in asking.got} == {answerer.local_address}
    most = raw_server.config.datagrams_per_turn
    assert max(answering.batches) <= most
    assert answerer.received == answerer.sent == count
    assert answerer.bytes_received == answerer.bytes_sent == sum(map(len, numbered(count)))


def test_on_a_socket_of_both_families_ipv4_is_in_ipv6(raw_server: RawServer) -> None:
    asking, answering = Taker(), Taker(answers=True)
    asker, both = opened(raw_server, asking), opened(raw_server, answering, "")
    asker.write_to(b"question", ("127.0.0.1", both.local_address[1]))
    run_until(raw_server, lambda: asking.got)
    ((packed, data),) = answering.got
    assert data == b"question"
    assert len(packed) == 28
    assert ip_of_packed(packed) == b"\x7f\0\0\1"
    assert show_address(packed) == asker.local_address
    assert show_address(asking.got[0][0]) == ("127.0.0.1", both.local_address[1])


@pytest.mark.parametrize("count", [2, 10])
def test_one_that_is_too_long_is_refused_and_those_before_it_go(
    raw_server: RawServer, count: int
) -> None:
    taker = Taker()
    one, other = opened(raw_server, taker), opened(raw_server, Taker())
    packed = pack_address(one.local_address, False)
    datagrams = [*numbered(count - 1), bytes(65508), b"after"]
    with pytest.raises(OSError, match=r".") as caught:
        other.write_packed([packed] * len(datagrams), datagrams)
    assert caught.value.errno == errno.EMSGSIZE
    run_until(raw_server, lambda: len(taker.got) == count - 1)
    assert taker.data == numbered(count - 1)
    assert other.sent == count - 1


@pytest.mark.parametrize("count", [1, 10])
def test_one_that_cannot_go_where_it_should_is_passed_over(
    raw_server: RawServer, count: int
) -> None:
    taker = Taker()
    one, other = opened(raw_server, taker), opened(raw_server, Taker())
    packed = pack_address(one.local_address, False)
    nowhere = pack_address(("127.0.0.1", 0), False)
    assert other.write_packed([packed, nowhere, *[packed] * count], numbered(count + 2)) == (
        count + 1
    )
    run_until(raw_server, lambda: len(taker.got) == count + 1)
    assert other.unsendable == 1


def test_addresses_and_datagrams_that_do_not_match_are_refused(raw_server: RawServer) -> None:
    one = opened(raw_server, Taker())
    packed = pack_address(one.local_address, False)
    with pytest.raises(ValueError, match="1 addresses for 2 datagrams"):
        one.write_packed([packed], numbered(2))
    assert one.write_packed([], []) == 0


class Faulty:
    def packed_datagrams_came_in(self, *args: Any) -> None:
        raise LookupError(f"{len(args[2])} datagrams")


class Context:
    def __init__(self) -> None:
        self.errors: list[str] = []

    def got_exception(self, error: BaseException, *where: object) -> None:
        self.errors.append(str(error))


def test_a_fault_of_its_handler_goes_to_its_context_and_ends_nothing(
    faulty_server: RawServer, faults: list[str]
) -> None:
    context = Context()
    faulty_server.add_context(context)
    sock = faulty_server.create_udpsocket(0, "127.0.0.1")
    one = faulty_server.start_listening_udp(sock, Faulty(), context)
    packed = pack_address(one.local_address, False)
    one.write_packed([packed] * 3, numbered(3))
    run_until(faulty_server, lambda: context.errors)
    assert context.errors == ["3 datagrams"]
    assert one.is_reading
    assert len(faults) == 1


def test_one_that_is_paused_takes_nothing_until_it_resumes(raw_server: RawServer) -> None:
    taker = Taker()
    one = opened(raw_server, taker)
    one.pause_reading()
    one.write_packed([pack_address(one.local_address, False)], [b"kept"])
    raw_server.listen_once(0.0)
    assert not taker.got
    one.resume_reading()
    run_until(raw_server, lambda: taker.got)
    assert taker.data == [b"kept"]
