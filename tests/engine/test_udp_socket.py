import errno
import socket
from typing import Any

import pytest

from kit.loop import run_until
from rawserver import Config, RawServer


class Receiver:
    def __init__(self) -> None:
        self.got: list[tuple[Any, bytes]] = []

    def data_came_in(self, address: Any, data: bytes) -> None:
        self.got.append((address, data))


def test_datagrams_go_there_and_back(raw_server: RawServer) -> None:
    one, other = Receiver(), Receiver()
    sock = raw_server.create_udpsocket(0, "127.0.0.1")
    here = raw_server.start_listening_udp(sock, one)
    there = raw_server.start_listening_udp(raw_server.create_udpsocket(0, "127.0.0.1"), other)
    assert there.write_to(b"hello", sock.getsockname())
    run_until(raw_server, lambda: one.got)
    ((address, data),) = one.got
    assert data == b"hello"
    assert here.write_to(b"", address)
    run_until(raw_server, lambda: other.got)
    assert other.got == [(sock.getsockname(), b"")]


def test_a_socket_of_both_families_shows_and_takes_ipv4_as_people_write_it(
    raw_server: RawServer,
) -> None:
    one, other = Receiver(), Receiver()
    both = raw_server.create_udpsocket()
    port = both.getsockname()[1]
    here = raw_server.start_listening_udp(both, one)
    sock = raw_server.create_udpsocket(0, "127.0.0.1")
    there = raw_server.start_listening_udp(sock, other)
    there.write_to(b"hello", ("127.0.0.1", port))
    run_until(raw_server, lambda: one.got)
    assert one.got == [(sock.getsockname(), b"hello")]
    here.write_to(b"answer", one.got[0][0])
    run_until(raw_server, lambda: other.got)
    assert other.got == [(("127.0.0.1", port), b"answer")]


def test_after_stopping_nothing_comes_and_the_socket_is_open(raw_server: RawServer) -> None:
    receiver, teller = Receiver(), Receiver()
    sock = raw_server.create_udpsocket(0, "127.0.0.1")
    raw_server.start_listening_udp(sock, receiver)
    raw_server.stop_listening_udp(sock)
    sender = raw_server.start_listening_udp(raw_server.create_udpsocket(0, "127.0.0.1"), teller)
    sender.write_to(b"early", sock.getsockname())
    sender.write_to(b"self", sender.sock.getsockname())
    run_until(raw_server, lambda: teller.got)
    assert not receiver.got
    raw_server.start_listening_udp(sock, receiver)
    run_until(raw_server, lambda: receiver.got)
    assert receiver.got[0][1] == b"early"


def test_stopping_within_a_datagram_leaves_the_others(raw_server: RawServer) -> None:
    class Stops(Receiver):
        def data_came_in(self, address: Any, data: bytes) -> None:
            super().data_came_in(address, data)
            raw_server.stop_listening_udp(sock)

    receiver = Stops()
    sock = raw_server.create_udpsocket(0, "127.0.0.1")
    sending = raw_server.start_listening_udp(sock, receiver)
    for _ in range(3):
        sending.write_to(b"x", sock.getsockname())
    run_until(raw_server, lambda: receiver.got)
    raw_server.listen_once(0.0)
    assert len(receiver.got) == 1
    sock.close()


def test_a_fault_of_its_handler_goes_to_its_context_and_ends_nothing() -> None:
    class Context:
        def __init__(self) -> None:
            self.errors: list[BaseException] = []

        def got_exception(self, error: BaseException) -> None:
            self.errors.append(error)

    class Faulty:
        def data_came_in(self, address: Any, data: bytes) -> None:
            raise LookupError(data.decode())

    raw_server = RawServer(errorfunc=lambda level, text: None)
    context = Context()
    raw_server.add_context(context)
    sock = raw_server.create_udpsocket(0, "127.0.0.1")
    sending = raw_server.start_listening_udp(sock, Faulty(), context)
    sending.write_to(b"one", sock.getsockname())
    sending.write_to(b"two", sock.getsockname())
    run_until(raw_server, lambda: len(context.errors) == 2)
    assert [str(error) for error in context.errors] == ["one", "two"]
    raw_server.remove_context(context)
    assert sock.fileno() == -1
    raw_server.close()


def test_a_context_that_is_not_live_cannot_listen(raw_server: RawServer) -> None:
    sock = raw_server.create_udpsocket(0, "127.0.0.1")
    with pytest.raises(ValueError, match="never added"):
        raw_server.start_listening_udp(sock, Receiver(), "nobody")
    raw_server.start_listening_udp(sock, Receiver())


class Roomless(socket.socket):
    """The system has no memory for its datagrams, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.times = times

    def recvfrom(self, count: int, flags: int = 0) -> tuple[bytes, Any]:
        if self.times:
            self.times -= 1
            raise OSError(errno.ENOMEM, "no memory")
        return super().recvfrom(count, flags)


def resting_server(sock: Roomless) -> tuple[RawServer, Receiver, list[str]]:
    """Return a server whose socket rests because of a datagram, with its receiver and reports."""
    reports: list[str] = []
    config = Config(accept_pause=0.01)
    raw_server = RawServer(config=config, errorfunc=lambda level, text: reports.append(text))
    receiver = Receiver()
    sock.bind(("127.0.0.1", 0))
    raw_server.start_listening_udp(sock, receiver)
    sock.sendto(b"hello", sock.getsockname())
    run_until(raw_server, lambda: reports)
    return raw_server, receiver, reports


def test_where_the_system_has_no_room_it_rests_and_says_so_once() -> None:
    sock = Roomless(3)
    raw_server, receiver, reports = resting_server(sock)
    assert sock.times == 2
    raw_server.listen_once(0.0)
    assert sock.times == 2
    run_until(raw_server, lambda: receiver.got)
    assert receiver.got == [(sock.getsockname(), b"hello")]
    assert len(reports) == 1
    raw_server.close()


def test_one_that_rests_can_be_stopped() -> None:
    sock = Roomless(1)
    raw_server, receiver, _ = resting_server(sock)
    raw_server.stop_listening_udp(sock)
    ran: list[int] = []
    raw_server.add_task(ran.append, 0.03, (1,))
    run_until(raw_server, lambda: ran)
    assert not receiver.got
    raw_server.start_listening_udp(sock, receiver)
    run_until(raw_server, lambda: receiver.got)
    raw_server.close()
