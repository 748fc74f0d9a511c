import errno
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.loop import run_until
from rawserver import Config, RawServer, UdpSocket


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

        def got_exception(self, error: BaseException, *where: object) -> None:
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


class Scripted(socket.socket):
    """Sends through `answers` first: an error is raised, None lets one through."""

    def __init__(self) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.answers: list[int | None] = []

    def _answer(self) -> None:
        code = self.answers.pop(0) if self.answers else None
        if code is not None:
            raise OSError(code, os.strerror(code))

    def send(self, data: Any, flags: int = 0) -> int:
        self._answer()
        return super().send(data, flags)

    def sendto(self, data: Any, address: Any) -> int:  # type: ignore[override]
        self._answer()
        return super().sendto(data, address)

    def recvfrom(self, count: int, flags: int = 0) -> tuple[bytes, Any]:
        self._answer()
        return super().recvfrom(count, flags)


def scripted(raw_server: RawServer, handler: Any) -> tuple[UdpSocket, Scripted]:
    sock = Scripted()
    sock.bind(("127.0.0.1", 0))
    return raw_server.start_listening_udp(sock, handler), sock


NO_ROOM = [errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.EINTR]


@pytest.mark.parametrize("code", NO_ROOM)
def test_where_there_is_no_room_to_send_it_drops_and_counts(
    raw_server: RawServer, code: int
) -> None:
    receiver = Receiver()
    here, sock = scripted(raw_server, receiver)
    sock.answers = [code]
    assert here.write_to(b"lost", here.local_address) is False
    here.connect(here.local_address)
    sock.answers = [code]
    assert here.write(b"lost") is False
    assert (here.dropped, here.sent, here.bytes_sent) == (2, 0, 0)
    assert here.write_to(b"hello", here.local_address) is True
    run_until(raw_server, lambda: receiver.got)
    assert (here.dropped, here.sent, here.bytes_sent) == (2, 1, 5)


def test_a_batch_for_which_room_runs_out_goes_in_part(raw_server: RawServer) -> None:
    receiver = Receiver()
    here, sock = scripted(raw_server, receiver)
    sock.answers = [None, None, errno.ENOBUFS, errno.ENOBUFS]
    batch = [(here.local_address, b"%d" % number) for number in range(5)]
    assert here.write_batch(batch) == 2
    assert (here.sent, here.bytes_sent, here.dropped, here.unsendable) == (2, 2, 3, 0)
    run_until(raw_server, lambda: len(receiver.got) == 2)
    assert [data for _, data in receiver.got] == [b"0", b"1"]


def test_other_errors_of_sending_are_raised(raw_server: RawServer) -> None:
    here, sock = scripted(raw_server, Receiver())
    sock.answers = [errno.ENETUNREACH]
    with pytest.raises(OSError, match="unreachable"):
        here.write_to(b"x", here.local_address)
    here.connect(here.local_address)
    sock.answers = [errno.ECONNREFUSED, errno.ENETUNREACH]
    with pytest.raises(OSError, match="unreachable"):
        here.write(b"x")
    sock.answers = [errno.ECONNREFUSED, errno.ENOBUFS]
    assert here.write(b"x") is False
    assert (here.sent, here.dropped) == (0, 1)


def test_a_refusal_that_waits_does_not_keep_a_batch(raw_server: RawServer) -> None:
    errors: list[OSError] = []

    class Hearing(Receiver):
        def error_received(self, udp_socket: UdpSocket, error: OSError) -> None:
            errors.append(error)

    receiver = Hearing()
    here, sock = scripted(raw_server, receiver)
    here.connect(here.local_address)
    sock.answers = [None, errno.ECONNREFUSED, errno.ECONNREFUSED]
    assert here.write_batch([(here.local_address, b"x")] * 3) == 3
    run_until(raw_server, lambda: len(receiver.got) == 3)
    assert {error.errno for error in errors} == {errno.ECONNREFUSED}
    assert (here.sent, here.unsendable) == (3, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="others send to port 0")
@pytest.mark.parametrize("count", [1, 40])
def test_what_cannot_go_where_it_should_does_not_keep_the_others(
    raw_server: RawServer, count: int
) -> None:
    receiver = Receiver()
    here = raw_server.start_listening_udp(raw_server.create_udpsocket(0, "127.0.0.1"), receiver)
    batch = [(here.local_address, b"one"), (("127.0.0.1", 0), b"none"), (here.local_address, b"x")]
    assert here.write_batch(batch * count) == 2 * count
    run_until(raw_server, lambda: len(receiver.got) == 2 * count)
    assert [data for _, data in receiver.got] == [b"one", b"x"] * count
    assert (here.sent, here.bytes_sent, here.unsendable) == (2 * count, 4 * count, count)


def test_what_came_before_a_fault_is_given(raw_server: RawServer) -> None:
    receiver = Receiver()
    here, sock = scripted(raw_server, receiver)
    here.write_to(b"one", here.local_address)
    here.write_to(b"two", here.local_address)
    sock.answers = [None, errno.ECONNREFUSED]  # of a socket whose handler does not ask for errors
    run_until(raw_server, lambda: len(receiver.got) == 2)
    assert [data for _, data in receiver.got] == [b"one", b"two"]


def test_one_that_was_cut_short_is_counted_and_not_given(
    raw_server: RawServer, tmp_path: Path
) -> None:
    receiver = Receiver()
    path = str(tmp_path / "s")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(path)
    here = raw_server.start_listening_udp(sock, receiver)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        try:
            other.sendto(bytes(70_000), path)
        except OSError as error:
            pytest.skip(f"the system's Unix datagrams are shorter: {error}")
        other.sendto(b"whole", path)
    run_until(raw_server, lambda: receiver.got)
    assert [data for _, data in receiver.got] == [b"whole"]
    assert (here.truncated, here.received) == (1, 1)
    assert here.local_address == path


def test_no_more_is_taken_in_a_turn_than_the_config_says() -> None:
    raw_server = RawServer(config=Config(datagrams_per_turn=2))
    receiver = Receiver()
    here = raw_server.start_listening_udp(raw_server.create_udpsocket(0, "127.0.0.1"), receiver)
    here.write_batch([(here.local_address, b"x")] * 5)
    for count in (2, 4, 5):
        raw_server.listen_once(0.0)
        assert len(receiver.got) == count
    raw_server.close()


def test_a_handler_with_neither_method_is_given_nothing(raw_server: RawServer) -> None:
    here = raw_server.start_listening_udp(raw_server.create_udpsocket(0, "127.0.0.1"), object())
    here.write_to(b"x", here.local_address)
    run_until(raw_server, lambda: here.received)
    assert here.is_reading
