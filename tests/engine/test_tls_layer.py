"""TLS over two ends in memory that cut, delay and refuse, and against other implementations."""

import gc
import random
import shutil
import socket
import ssl
import subprocess
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.certificates import Authority, Identity
from kit.fake_loop import FakeLoop
from kit.loop import run_until
from kit.tls_pair import End, MemoryFile, Pair, send
from kit.wires import MemoryWire
from rawserver import RawServer
from rawserver.engine.errors import TlsError, TlsTruncated
from rawserver.engine.layer import Wire
from rawserver.engine.network import READABLE, WRITABLE
from rawserver.engine.tls import TlsClient, TlsServer, TlsSettings
from rawserver.engine.tls_layer import MOST_HELD, ROUNDS_PER_TURN, SENT_AT_ONCE, TlsLayer

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
both_versions = pytest.mark.parametrize("version", [V12, V13])


def test_what_was_agreed_is_known_on_both_sides(authority: Authority, identity: Identity) -> None:
    certificate, key = authority.issue("client@example.org")
    pair = Pair(
        TlsServer(*identity, alpn=["h2"], client_authorities=authority.path),
        TlsClient(authorities=authority.path, alpn=["h2"], certificate=certificate, key=key),
    ).connect()
    for end in pair.ends:
        assert end.top.version == "TLSv1.3"
        assert end.top.cipher.startswith("TLS_")
        assert end.top.alpn == "h2"
        assert end.top.peer_certificate_der
    assert pair.server.top.server_name == "example.org"
    assert pair.server.top.peer_certificate["subjectAltName"] == (("email", "client@example.org"),)
    assert pair.client.top.peer_certificate["subjectAltName"] == (("DNS", "example.org"),)


def chaos(server: TlsServer, client: TlsClient, seed: int) -> None:
    chance = random.Random(seed)
    pair = Pair(server, client, chance=chance, capacity=chance.choice((700, 20_000, 300_000)))
    data = [chance.randbytes(chance.choice((0, 1, 3000, 17_000, 200_000))) for _ in range(2)]
    for end, bytes_out in zip(pair.ends, data, strict=True):
        ways = {
            "send": end.top.send,
            "parts": lambda data, top=end.top: top.sendmsg(
                [data[:7], data[7:10], data[10:20_000], data[20_000:]]
            ),
            "file": lambda data, top=end.top: top.sendfile(MemoryFile(b"xy" + data), 2, len(data)),
        }
        end.send = ways[chance.choice(list(ways))]
        end.most = chance.choice((100, 16 * 1024, 64 * 1024))
        end.into = chance.random() < 0.5
        end.to_send += bytes_out
    pair.start()
    shut = [False, False]
    for _ in range(100_000):
        pair.turn()
        for index, end in enumerate(pair.ends):
            if end.outcome == [None] and chance.random() < 0.2:
                end.paused = not end.paused
                end.want()
            if end.outcome == [None] and not end.to_send and not shut[index]:
                shut[index] = True
                end.top.shutdown(socket.SHUT_WR)
        if all(end.ended or end.error for end in pair.ends):
            break
    assert [end.error for end in pair.ends] == [None, None]
    assert [bytes(end.got) for end in reversed(pair.ends)] == data
    pair.settle()
    assert [end.outcome for end in pair.ends] == [[None], [None]]
    assert [end.top.unsent for end in pair.ends] == [0, 0]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_bytes_arrive_in_order_however_they_are_cut(
    server: TlsServer, client: TlsClient, seed: int
) -> None:
    chaos(server, client, seed)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_they_do_with_tls_1_2(server: TlsServer, authority: Authority, seed: int) -> None:
    chaos(server, TlsClient(authorities=authority.path, maximum_version=V12), seed)


@both_versions
def test_byte_by_byte(server: TlsServer, authority: Authority, version: ssl.TLSVersion) -> None:
    pair = Pair(server, TlsClient(authorities=authority.path, maximum_version=version))
    for wire in pair.wires:
        wire.at_a_time = 1
    pair.connect()
    send(pair.client, b"ping")
    send(pair.server, b"pong")
    pair.settle()
    assert (bytes(pair.server.got), bytes(pair.client.got)) == (b"ping", b"pong")


@pytest.mark.parametrize("part", [1, 100, None])
def test_starttls_loses_nothing_that_was_read_ahead(
    server: TlsServer, client: TlsClient, part: int | None
) -> None:
    pair = Pair(server, client)
    pair.client.top.start(pair.client.done)
    hello = bytes(pair.wires[0].inbox)
    pair.wires[0].inbox[:] = hello[part:] if part else b""
    pair.wires[0].above = pair.server
    pair.server.top = TlsLayer(pair.loop, pair.wires[0], server, received=hello[:part])
    pair.server.top.start(pair.server.done)
    send(pair.client, b"after")
    pair.settle()
    assert pair.server.got == b"after"


# The end.


@both_versions
@pytest.mark.parametrize("unread", [0, 10, 40_000])
def test_each_side_ends_for_itself(
    server: TlsServer, authority: Authority, version: ssl.TLSVersion, unread: int
) -> None:
    client = TlsClient(authorities=authority.path, maximum_version=version)
    pair = Pair(server, client).connect()
    # The client says its end while data that came before is on its way, half of it decrypted.
    pair.client.most = 7
    pair.client.paused = True
    pair.client.want()
    before = b"b" * unread
    if before:
        send(pair.server, before)
        pair.server.ready(WRITABLE)
        pair.client.paused = False
        pair.client.read()
        assert len(pair.client.got) == 7
    pair.client.top.shutdown(socket.SHUT_WR)
    assert pair.wires[1].shut == [socket.SHUT_WR]
    pair.client.paused = False
    pair.client.most = 64 * 1024
    pair.client.want()
    pair.settle()
    assert pair.server.ended
    assert not pair.client.ended
    after = random.Random(1).randbytes(700_000)
    send(pair.server, after)
    pair.settle()
    assert pair.client.got == before + after
    pair.server.top.shutdown(socket.SHUT_WR)
    pair.settle()
    assert pair.client.ended
    assert not any(end.error for end in pair.ends)
    with pytest.raises(BrokenPipeError):
        pair.client.top.send(b"more")


def test_the_end_comes_after_what_is_held(server: TlsServer, client: TlsClient) -> None:
    pair = Pair(server, client, capacity=5000).connect()
    pair.server.paused = True
    pair.server.want()
    assert pair.client.top.send(bytes(16_000)) == 16_000
    pair.client.top.shutdown(socket.SHUT_WR)
    assert pair.client.top.unsent > 10_000
    assert pair.wires[1].shut == []
    pair.server.paused = False
    pair.server.want()
    pair.settle()
    assert pair.wires[1].shut == [socket.SHUT_WR]
    assert len(pair.server.got) == 16_000
    assert pair.server.ended


def test_reading_can_be_ended(server: TlsServer, client: TlsClient) -> None:
    pair = Pair(server, client).connect()
    pair.client.paused = True
    pair.client.want()
    send(pair.server, b"unread")
    pair.settle()
    pair.client.paused = False
    pair.client.top.shutdown(socket.SHUT_RD)
    pair.client.want()
    pair.settle()
    assert pair.client.ended
    assert pair.client.got == b""
    send(pair.client, b"still")
    pair.settle()
    assert pair.server.got == b"still"


@pytest.mark.parametrize("into", [False, True])
def test_a_stream_cut_short_is_told_from_a_whole_one(
    server: TlsServer, client: TlsClient, into: bool
) -> None:
    pair = Pair(server, client).connect()
    pair.server.into = into
    send(pair.client, b"half of it")
    pair.client.ready(WRITABLE)
    pair.wires[1].shutdown(socket.SHUT_WR)
    pair.settle()
    assert pair.server.got == b"half of it"
    assert isinstance(pair.server.error, TlsTruncated)
    assert "close_notify" in str(pair.server.error)


def test_after_the_end_nothing_is_waited_for(server: TlsServer, client: TlsClient) -> None:
    pair = Pair(server, client).connect()
    pair.client.top.shutdown(socket.SHUT_WR)
    pair.settle()
    assert pair.server.ended
    pair.wires[0].inbox += b"what comes after close_notify is ignored"
    pair.server.top.want(READABLE | WRITABLE)
    assert pair.wires[0].events == WRITABLE
    assert pair.loop.waiting == []
    assert pair.server.top.recv(10) == b""


def test_unless_the_settings_say_that_it_does_not_matter(
    identity: Identity, client: TlsClient
) -> None:
    pair = Pair(TlsServer(*identity, ragged_eof=True), client).connect()
    send(pair.client, b"all of it")
    pair.client.ready(WRITABLE)
    pair.wires[1].shutdown(socket.SHUT_WR)
    pair.settle()
    assert pair.server.got == b"all of it"
    assert pair.server.ended
    assert pair.server.error is None


def test_who_lets_go_says_the_end_if_all_is_out(server: TlsServer, client: TlsClient) -> None:
    pair = Pair(server, client).connect()
    send(pair.server, b"bye")
    pair.server.ready(WRITABLE)
    pair.server.top.lost()
    pair.server.top.lost()
    pair.wires[0].above = End()
    pair.wires[0].want(0)
    pair.settle()
    assert pair.client.got == b"bye"
    assert pair.client.ended


@pytest.mark.parametrize("size", [100_000, SENT_AT_ONCE + 1])
def test_who_was_cut_short_does_not_say_that_it_is_whole(
    server: TlsServer, client: TlsClient, size: int
) -> None:
    pair = Pair(server, client, capacity=50_000 if size == 100_000 else 10**6).connect()
    pair.server.top.send(bytes(size))
    pair.server.top.lost()
    pair.wires[0].shutdown(socket.SHUT_WR)
    pair.wires[0].want(0)
    pair.settle()
    assert isinstance(pair.client.error, TlsTruncated)


def test_nothing_is_left_of_who_let_go(server: TlsServer, client: TlsClient) -> None:
    for connected in (True, False):
        pair = Pair(server, client)
        if connected:
            pair.connect()
        else:
            pair.start().loop.turn()
        layer = pair.client.top
        tls = weakref.ref(layer._codec.tls)
        layer.lost()
        gc.collect()
        assert tls() is None
        assert layer.unsent == 0
        assert layer.peer_certificate is None
        assert layer.peer_certificate_der is None
        layer.ready(READABLE | WRITABLE)
        layer.want(READABLE)
        assert pair.loop.waiting == []
        assert pair.client.outcome == ([None] if connected else [])


# Faults of the peer.


def test_a_client_whose_certificate_is_missed_hears_of_it(
    authority: Authority, identity: Identity, client: TlsClient
) -> None:
    pair = Pair(TlsServer(*identity, client_authorities=authority.path), client).start()
    pair.settle()
    assert "peer did not return a certificate" in str(pair.server.outcome[0])
    assert pair.client.outcome == [None]  # with TLS 1.3 it is checked after the client's part
    assert isinstance(pair.client.error, TlsError)
    assert "the peer's alert" in str(pair.client.error)
    assert "certificate required" in str(pair.client.error)


@pytest.mark.parametrize("into", [False, True])
def test_damaged_records_end_the_connection_after_what_was_sound(
    server: TlsServer, client: TlsClient, into: bool
) -> None:
    pair = Pair(server, client).connect()
    pair.server.into = into
    pair.client.top.send(b"sound")
    sound = len(pair.wires[0].inbox)
    pair.client.top.send(b"damaged")
    pair.wires[0].inbox[sound + 8] ^= 1
    pair.settle()
    assert pair.server.got == b"sound"
    assert isinstance(pair.server.error, TlsError)
    with pytest.raises(TlsError):
        pair.server.top.send(b"x")
    assert "the peer's alert: bad record mac" in str(pair.client.error)


def test_errors_from_below_come_up(server: TlsServer, client: TlsClient) -> None:
    for events in (READABLE, WRITABLE, 0):
        pair = Pair(server, client, capacity=50_000).connect()
        end, wire = pair.client, pair.wires[1]
        end.paused = not events & READABLE
        end.top.send(bytes(100_000))  # some is held
        if events & WRITABLE:
            end.to_send += b"more"
        end.want()
        wire.error = ConnectionResetError()
        pair.settle()
        if events:
            assert isinstance(end.error, ConnectionResetError)
        else:
            with pytest.raises(ConnectionResetError):
                end.top.send(b"x")
            end.paused = False
            end.want()
            pair.settle()
            assert isinstance(end.error, ConnectionResetError)


def test_a_name_that_cannot_be_leaves_the_wire_alone(client: TlsClient) -> None:
    wire = MemoryWire()
    wire.above = end = End()
    with pytest.raises(ValueError, match="name"):
        TlsLayer(FakeLoop(), wire, client, server_hostname=None)
    assert wire.above is end


def test_who_asks_for_answers_and_does_not_read_them_is_let_go(
    server: TlsServer, client: TlsClient
) -> None:
    pair = Pair(server, client, capacity=50_000).connect()
    wire = pair.wires[0]
    for count in range(18):
        # What OpenSSL says to a key update; 700 of them at once would be as much.
        pair.server.top._codec.outgoing.write(bytes(20_000))
        pair.client.top.send(b"x")
        wire.poll()
        assert len(pair.server.got) == count + 1
        assert wire.events == READABLE | (WRITABLE if count > 1 else 0)
    pair.server.top._codec.outgoing.write(bytes(50_000))
    pair.client.top.send(b"x")
    wire.poll()
    assert pair.server.top.unsent > MOST_HELD
    pair.loop.turn()
    assert "does not read them" in str(pair.server.error)
    with pytest.raises(TlsError):
        pair.server.top.send(b"x")


# Flow.


def test_a_slow_reader_makes_only_so_much_be_held(server: TlsServer, client: TlsClient) -> None:
    pair = Pair(server, client, capacity=50_000).connect()
    pair.server.paused = True
    pair.server.want()
    wire = pair.wires[1]
    wire.calls.clear()
    taken = pair.client.top.send(bytes(10**7))
    assert taken == SENT_AT_ONCE
    assert wire.calls == ["sendmsg"]
    assert 0 < pair.client.top.unsent <= SENT_AT_ONCE
    assert wire.events & WRITABLE
    with pytest.raises(BlockingIOError):
        pair.client.top.send(b"more")
    with pytest.raises(BlockingIOError):
        pair.client.top.sendmsg([b"more"])
    with pytest.raises(BlockingIOError):
        pair.client.top.sendfile(MemoryFile(b"more"), 0, 4)
    pair.settle()
    assert pair.wires[0].calls.count("recv") < 20  # the paused side has read nothing since
    assert len(pair.wires[0].inbox) == 50_000
    pair.server.paused = False
    pair.server.want()
    pair.settle()
    assert len(pair.server.got) == taken
    assert not wire.events & WRITABLE


def test_who_pauses_is_told_of_what_was_read_already(server: TlsServer, client: TlsClient) -> None:
    pair = Pair(server, client).connect()
    end = pair.server
    end.most = 10
    pair.client.top.send(b"a" * 25)
    end.read()
    assert not pair.wires[0].inbox  # all of it is in memory, and no poller will tell
    end.paused = True
    end.want()
    pair.settle()
    assert len(end.got) == 10
    end.paused = False
    end.want()
    assert len(end.got) == 10  # not from within
    pair.settle()
    assert len(end.got) == 25


def test_one_connection_does_not_keep_the_others_waiting(
    server: TlsServer, client: TlsClient
) -> None:
    pair = Pair(server, client).connect()
    end = pair.server
    end.most = 10
    end.reads = 0
    # The second record stays in the socket meanwhile, so that the poller tells of it each turn.
    pair.client.top.send(b"a" * 500)
    pair.wires[0].at_a_time = len(pair.wires[0].inbox)
    pair.client.top.send(b"a" * 500)
    turns = 0
    while len(end.got) < 1000:
        reads = end.reads
        pair.turn()
        turns += 1
        # Less than twice: the rest of the first record, then the second is a turn's worth.
        assert end.reads - reads < 2 * ROUNDS_PER_TURN
    assert turns <= 1000 / 10 / ROUNDS_PER_TURN + 6
    pair.settle()


def test_few_calls_for_much_and_one_record_for_many_small(
    server: TlsServer, client: TlsClient
) -> None:
    pair = Pair(server, client, capacity=10**6).connect()
    wire = pair.wires[1]
    wire.calls.clear()
    assert pair.client.top.sendmsg([b"ab"] * 50) == 100
    assert len(pair.wires[0].inbox) < 150
    assert pair.client.top.send(bytes(100_000)) == 100_000
    assert wire.calls == ["send", "sendmsg"]
    assert pair.client.top.send(b"") == 0
    assert pair.client.top.sendmsg([]) == 0
    assert pair.client.top.sendfile(MemoryFile(b"abc"), 3, 10) == 0
    assert wire.calls == ["send", "sendmsg"]
    pair.wires[0].calls.clear()
    pair.settle()
    assert pair.wires[0].calls.count("recv") == 2
    assert pair.server.reads <= 6


def test_certificates_are_read_again_while_connections_run(
    authority: Authority, identity: Identity, client: TlsClient, tmp_path: Path
) -> None:
    files = tmp_path / "certificate.pem", tmp_path / "key.pem"
    for path, source in zip(files, identity, strict=True):
        path.write_bytes(source.read_bytes())
    server = TlsServer(*files)
    running, begun = Pair(server, client).connect(), Pair(server, client).start()
    for path, source in zip(files, authority.issue("new.example.org"), strict=True):
        path.write_bytes(source.read_bytes())
    assert server.reload_if_changed()
    later = Pair(server, client, host="new.example.org").connect()
    begun.settle()
    for pair in (running, begun, later):
        assert pair.client.outcome == [None]
        send(pair.client, b"hello")
        pair.settle()
        assert pair.server.got == b"hello"


# Other implementations, over the system's sockets.


class Connected(End):
    """Stands above a layer over a socket on a real loop."""

    def __init__(
        self, raw_server: RawServer, sock: socket.socket, side: TlsSettings, host: str | None
    ) -> None:
        super().__init__()
        self.raw_server = raw_server
        sock.setblocking(False)
        self.wire = Wire(raw_server, sock, self)
        self.wire.register(0)
        self.top = TlsLayer(raw_server, self.wire, side, server_hostname=host)
        self.top.start(self.done)

    def until(self, condition: Callable[[], object]) -> None:
        run_until(self.raw_server, lambda: condition() or self.error or any(self.outcome))
        assert condition(), (self.error, self.outcome)

    def end(self) -> None:
        self.top.lost()
        self.wire.forget()


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    raw_server = RawServer()
    yield raw_server
    raw_server.close()


def in_thread(func: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=func, daemon=True)
    thread.start()
    return thread


@both_versions
@pytest.mark.parametrize("we_serve", [True, False])
def test_the_standard_librarys_sockets(
    raw_server: RawServer,
    server: TlsServer,
    client: TlsClient,
    identity: Identity,
    authority: Authority,
    version: ssl.TLSVersion,
    we_serve: bool,
) -> None:
    ours, theirs = socket.socketpair()
    if we_serve:
        context = ssl.create_default_context(cafile=authority.path)
    else:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*identity)
    context.maximum_version = version
    data = random.Random(2).randbytes(3_000_000)
    got = bytearray()

    def peer() -> None:
        name = "example.org" if we_serve else None
        with context.wrap_socket(theirs, server_side=not we_serve, server_hostname=name) as sock:
            while len(got) < len(data):
                got.extend(sock.recv(100_000))
            sock.sendall(got)
            assert sock.recv(1) == b""  # our close_notify
            sock.unwrap().close()

    thread = in_thread(peer)
    end = Connected(raw_server, ours, server if we_serve else client, "example.org")
    try:
        end.to_send += data
        end.until(lambda: len(end.got) == len(data))
        assert end.got == data
        assert end.top.version == ("TLSv1.2" if version == V12 else "TLSv1.3")
        end.top.shutdown(socket.SHUT_WR)
        end.until(lambda: end.ended)
    finally:
        end.end()
    thread.join(10)
    assert not thread.is_alive()


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command")


@needs_openssl
@pytest.mark.parametrize("key_update", ["k", "K"])
def test_keys_are_changed_while_data_flows(
    raw_server: RawServer, server: TlsServer, key_update: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_3"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            end = Connected(raw_server, listener.accept()[0], server, None)
            try:
                end.until(lambda: end.outcome)
                for number in range(3):
                    tell(process, f"{key_update}\n")
                    assert process.stderr is not None
                    # Only then: the command is all that it read at once.
                    while process.stderr.readline().strip() != b"KEYUPDATE":
                        pass
                    line = f"line {number}\n"
                    tell(process, line)
                    send(end, b"x" * 100_000)
                    end.until(lambda line=line: line.encode() in end.got)
                    end.until(lambda: not end.to_send and not end.top.unsent)
            finally:
                process.kill()
                end.end()


def tell(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line.encode())
    process.stdin.flush()


@needs_openssl
def test_renegotiation_is_refused(raw_server: RawServer, server: TlsServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            end = Connected(raw_server, listener.accept()[0], server, None)
            try:
                end.until(lambda: end.outcome)
                tell(process, "R\n")
                run_until(raw_server, lambda: end.ended or end.error)
                assert process.stdout is not None
                assert b"no renegotiation" in process.stdout.read()
            finally:
                process.kill()
                end.end()


@needs_openssl
def test_openssls_server(
    raw_server: RawServer, client: TlsClient, identity: Identity, authority: Authority
) -> None:
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-rev", "-naccept", "1"]
    command += ["-cert", str(identity.certificate), "-key", str(identity.key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            while not line.startswith(b"ACCEPT"):
                line = process.stdout.readline()
            port = int(line.rpartition(b":")[2])
            sock = socket.create_connection(("127.0.0.1", port))
        except BaseException:
            process.kill()
            raise
        end = Connected(raw_server, sock, client, "example.org")
        try:
            end.to_send += b"drawer\n"
            end.until(lambda: end.got == b"reward\n")
            end.top.shutdown(socket.SHUT_WR)
            run_until(raw_server, lambda: end.ended or end.error)
        finally:
            process.kill()
            end.end()
