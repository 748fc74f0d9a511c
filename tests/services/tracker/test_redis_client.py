"""A client of a server that is scripted: good, slow, wrong or away."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hiredis
import pytest

from kit.certificates import Authority
from kit.clock import MovableClock, pass_time
from kit.fake_redis import OK, FakeRedis, Words, array, bulk
from kit.loop import run_until
from rawserver import OsNetwork, RawServer
from rawserver.engine.tls import TlsClient, TlsServer
from rawserver.services.tracker import redis_client
from rawserver.services.tracker.redis_client import (
    MAX_REPLY_BYTES,
    RedisClient,
    StoreError,
    pack_command,
)
from rawserver.services.tracker.redis_url import RedisUrl, parse_redis_url

PING = pack_command("PING")


class Owner:
    """Notes what it is told; `refusal` is why it does not take the store."""

    def __init__(self) -> None:
        self.opened: list[list[Any]] = []
        self.lost: list[str] = []
        self.refusal = ""

    def store_opened(self, replies: list[Any]) -> None:
        self.opened.append(replies)
        if self.refusal:
            raise StoreError(self.refusal)

    def store_lost(self, reason: str) -> None:
        self.lost.append(reason)


@pytest.fixture
def loop() -> Iterator[RawServer]:
    """A loop whose clock a test can move."""
    reported: list[str] = []
    network: Any = MovableClock(OsNetwork())
    server = RawServer(network=network, errorfunc=lambda level, text: reported.append(text))
    yield server
    server.close()
    assert not reported, "\n".join(reported)


Connect = Callable[..., RedisClient]


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def connect(loop: RawServer, owner: Owner) -> Iterator[Connect]:
    """Make a client and wait until it is ready."""
    made: list[RedisClient] = []

    def connect(
        url: str, opening: list[bytes] | None = None, ready: bool = True, **options: Any
    ) -> RedisClient:
        client = RedisClient(loop, parse_redis_url(url), owner, opening or [], **options)
        made.append(client)
        client.start()
        if ready:
            run_until(loop, lambda: client.ready)
        return client

    yield connect
    for client in made:
        client.close()


def test_replies_go_to_those_who_asked_in_order(loop: RawServer, connect: Connect) -> None:
    server = FakeRedis(loop, lambda words: bulk(words[-1]))
    client = connect(server.url)
    replies: list[Any] = []
    for number in range(5):
        assert client.ask(pack_command("ECHO", number), replies.append)
    assert replies == []
    run_until(loop, lambda: len(replies) == 5)
    assert replies == [b"0", b"1", b"2", b"3", b"4"]


def test_what_is_asked_within_a_turn_leaves_in_one_write(loop: RawServer, connect: Connect) -> None:
    server = FakeRedis(loop)
    client = connect(server.url)
    server.reads.clear()
    replies: list[Any] = []
    for number in range(100):
        client.ask(pack_command("ECHO", number), replies.append)
    run_until(loop, lambda: len(replies) == 100)
    assert [len(read) for read in server.reads] == [100]


@pytest.mark.parametrize("at_a_time", [1, 2, 7])
def test_replies_may_come_in_pieces(loop: RawServer, connect: Connect, at_a_time: int) -> None:
    server = FakeRedis(loop, lambda words: array(3, b"\x00\r\n", 0) + b"")
    client = connect(server.url)
    server.at_a_time = at_a_time
    replies: list[Any] = []
    client.ask(PING, replies.append)
    client.ask(PING, replies.append)
    run_until(loop, lambda: len(replies) == 2)
    assert replies == [[3, b"\x00\r\n", 0]] * 2


def test_it_logs_in_and_chooses_its_database(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    server = FakeRedis(loop)
    connect(f"redis://ann:p%20w@127.0.0.1:{server.port}/3", [pack_command("TIME")])
    assert server.commands == [[b"AUTH", b"ann", b"p w"], [b"SELECT", b"3"], [b"TIME"]]
    assert owner.opened == [[b"OK"]]
    connect(f"redis://:pw@127.0.0.1:{server.port}")
    assert server.commands[3:] == [[b"AUTH", b"pw"], [b"PING"]]
    assert len(server.reads) == 2


def test_a_server_that_wants_another_password_is_not_used(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    def answer(words: Words) -> bytes:
        return b"-WRONGPASS invalid username-password pair\r\n" if words[0] == b"AUTH" else OK

    server = FakeRedis(loop, answer)
    client = connect(f"redis://:no@127.0.0.1:{server.port}", ready=False)
    run_until(loop, lambda: owner.lost)
    assert owner.lost == ["WRONGPASS invalid username-password pair"]
    assert not client.ready
    assert not owner.opened


def test_a_server_that_wants_a_password_at_all_is_not_used(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    server = FakeRedis(loop, lambda words: b"-NOAUTH Authentication required.\r\n")
    connect(server.url, ready=False)
    run_until(loop, lambda: owner.lost)
    assert owner.lost == ["NOAUTH Authentication required."]


def test_a_server_that_its_owner_refuses_is_tried_again(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    server = FakeRedis(loop, lambda words: b"-LOADING it loads\r\n")
    owner.refusal = "it loads"
    client = connect(server.url, [PING], ready=False)
    run_until(loop, lambda: owner.lost)
    assert owner.lost == ["it loads"]
    assert str(owner.opened[0][0]) == "LOADING it loads"
    owner.refusal = ""
    pass_time(loop, 1, until=lambda: client.ready)
    run_until(loop, lambda: client.ready)


@pytest.mark.parametrize(
    "error", ["LOADING it loads", "MOVED 3999 192.0.2.1:6381", "NOAUTH who?", "READONLY", "OOM x"]
)
def test_an_error_that_the_next_command_would_get_too_ends_the_connection(
    loop: RawServer, connect: Connect, owner: Owner, error: str
) -> None:
    server = FakeRedis(loop)
    client = connect(server.url)
    server.answer = lambda words: b"-%s\r\n" % error.encode()
    replies: list[Any] = []
    client.ask(PING, replies.append)
    client.ask(PING, replies.append)
    run_until(loop, lambda: len(replies) == 2)
    assert owner.lost == [error]
    assert [str(reply) for reply in replies] == [error, error]
    assert all(isinstance(reply, StoreError) for reply in replies)
    assert not client.ready


def test_an_error_of_one_command_is_its_reply(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    server = FakeRedis(loop)
    client = connect(server.url)
    server.answer = lambda words: b"-WRONGTYPE no\r\n" if words == [b"PING"] else OK
    replies: list[Any] = []
    client.ask(PING, replies.append)
    client.ask(pack_command("TIME"), replies.append)
    run_until(loop, lambda: len(replies) == 2)
    assert isinstance(replies[0], hiredis.ReplyError)
    assert replies[1] == b"OK"
    assert client.ready
    assert not owner.lost


def test_who_is_told_of_one_reply_may_ask_again(loop: RawServer, connect: Connect) -> None:
    server = FakeRedis(loop, lambda words: bulk(words[0]))
    client = connect(server.url)
    replies: list[Any] = []

    def again(reply: Any) -> None:
        replies.append(reply)
        client.ask_again(pack_command("TIME"), replies.append)

    client.ask(PING, again)
    run_until(loop, lambda: len(replies) == 2)
    assert replies == [b"PING", b"TIME"]


def test_no_reply_within_the_time_out_is_taken_as_its_end(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    server = FakeRedis(loop)
    client = connect(server.url, timeout=1.0)
    server.answer = lambda words: OK if words == [b"TIME"] else None
    replies: list[Any] = []
    client.ask(pack_command("TIME"), replies.append)
    run_until(loop, lambda: replies)
    pass_time(loop, 0.5)
    client.ask(PING, replies.append)
    client.ask(PING, replies.append)
    pass_time(loop, 0.75)
    assert len(replies) == 1
    pass_time(loop, 0.75, until=lambda: len(replies) == 3)
    assert [str(reply) for reply in replies[1:]] == ["no answer within 1 s"] * 2
    assert owner.lost == ["no answer within 1 s"]


def test_each_batch_has_its_own_time_out(loop: RawServer, connect: Connect, owner: Owner) -> None:
    server = FakeRedis(loop)
    client = connect(server.url, timeout=1.0)
    replies: list[Any] = []
    for _ in range(8):
        client.ask(PING, replies.append)
        pass_time(loop, 0.5, step=0.125)
    run_until(loop, lambda: len(replies) == 8)
    assert not owner.lost


def test_a_reply_that_lay_there_while_we_were_held_up_counts(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    server = FakeRedis(loop)
    client = connect(server.url, timeout=1.0)
    server.answer = lambda words: None
    replies: list[Any] = []
    client.ask(PING, replies.append)
    run_until(loop, lambda: server.commands[-1] == [b"PING"] and len(server.reads) == 2)
    server.connections[0].write(OK)
    clock: Any = loop.network
    clock.ahead += 30.0
    loop.listen_once(0)
    run_until(loop, lambda: replies)
    assert replies == [b"OK"]
    assert not owner.lost


def test_a_connection_lost_in_the_middle_of_a_reply(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    server = FakeRedis(loop)
    client = connect(server.url)
    server.answer = lambda words: OK if words == [b"PING"] else b"*2\r\n:1\r\n$10\r\nabc"
    replies: list[Any] = []
    client.ask(PING, replies.append)
    client.ask(pack_command("TIME"), replies.append)
    run_until(loop, lambda: replies)
    server.hang_up()
    run_until(loop, lambda: len(replies) == 2)
    assert replies[0] == b"OK"
    assert isinstance(replies[1], StoreError)
    assert owner.lost == ["the connection ended"]
    assert not client.ask(PING, replies.append)
    pass_time(loop, 1, until=lambda: client.ready)
    run_until(loop, lambda: client.ready)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "Protocol error"),
        (OK + OK, "not asked"),
        (b"$%d\r\n" % MAX_REPLY_BYTES + bytes(MAX_REPLY_BYTES), "a reply of more than"),
    ],
)
def test_what_is_no_redis_is_not_used(
    loop: RawServer, connect: Connect, owner: Owner, said: bytes, reason: str
) -> None:
    server = FakeRedis(loop)
    client = connect(server.url)
    server.answer = lambda words: said
    replies: list[Any] = []
    client.ask(PING, replies.append)
    run_until(loop, lambda: owner.lost and replies)
    assert reason in owner.lost[0]
    assert not client.ready


def test_nobody_there(loop: RawServer, connect: Connect, owner: Owner) -> None:
    server = FakeRedis(loop)
    server.go_away()
    client = connect(server.url, ready=False)
    assert not client.ask(PING, pytest.fail)
    run_until(loop, lambda: owner.lost)
    assert owner.lost == ["no connection: Connection refused"]
    server.listen()
    pass_time(loop, 1, until=lambda: client.ready)
    run_until(loop, lambda: client.ready)


def test_it_is_tried_less_and_less_often_until_it_answers(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    server = FakeRedis(loop)
    client = connect(server.url)
    server.go_away()
    run_until(loop, lambda: owner.lost)
    pass_time(loop, 60, step=0.05)
    # 0.1, 0.2, 0.4 ... 6.4 take at most 12.7 s, then one comes every 5 to 10.
    assert 10 <= len(owner.lost) <= 20
    server.listen()
    pass_time(loop, 10, until=lambda: client.ready)
    run_until(loop, lambda: client.ready)
    replies: list[Any] = []
    client.ask(PING, replies.append)
    run_until(loop, lambda: replies)
    server.hang_up()
    run_until(loop, lambda: not client.ready)
    pass_time(loop, 0.2, step=0.05, until=lambda: client.ready)
    run_until(loop, lambda: client.ready)


def test_more_than_it_can_keep_up_with_is_not_queued(
    loop: RawServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "MAX_WAITING", 3)
    server = FakeRedis(loop)
    client = connect(server.url)
    replies: list[Any] = []
    assert [client.ask(PING, replies.append) for _ in range(5)] == [True] * 3 + [False] * 2
    run_until(loop, lambda: len(replies) == 3)
    assert client.ask(PING, replies.append)


def test_where_one_who_waits_fails_the_others_are_told(connect: Connect, loop: RawServer) -> None:
    server = FakeRedis(loop)
    client = connect(server.url)
    server.answer = lambda words: None
    faults: list[str] = []
    loop.errorfunc = lambda level, text: faults.append(text)
    replies: list[Any] = []

    def fail(reply: Any) -> None:
        raise KeyError("ours")

    client.ask(PING, fail)
    client.ask(PING, replies.append)
    run_until(loop, lambda: len(server.commands) == 3)
    server.hang_up()
    run_until(loop, lambda: replies)
    assert "KeyError" in faults[0]


def test_a_fault_of_one_who_asked_costs_nobody_else_the_store(
    connect: Connect, loop: RawServer, owner: Owner
) -> None:
    server = FakeRedis(loop)
    client = connect(server.url)
    faults: list[str] = []
    loop.errorfunc = lambda level, text: faults.append(text)
    replies: list[Any] = []

    def fail(reply: Any) -> None:
        raise KeyError("ours")

    client.ask(PING, fail)
    client.ask(PING, replies.append)
    run_until(loop, lambda: replies and faults)
    assert replies == [b"OK"]
    assert "in fail" in faults[0]
    assert "KeyError: 'ours'" in faults[0]
    assert client.ready
    assert not owner.lost


def test_closing_tells_those_who_wait_and_connects_no_more(
    loop: RawServer, connect: Connect, owner: Owner
) -> None:
    server = FakeRedis(loop)
    client = connect(server.url)
    replies: list[Any] = []
    client.ask(PING, replies.append)
    client.close()
    run_until(loop, lambda: replies and not server.connections)
    assert isinstance(replies[0], StoreError)
    assert not owner.lost
    pass_time(loop, 20)
    assert not server.connections
    connect(server.url, ready=False).close()
    pass_time(loop, 1)
    assert not server.connections


def test_by_tls(loop: RawServer, connect: Connect, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("localhost")
    server = FakeRedis(loop)
    sock = loop.create_serversocket(0, "127.0.0.1")
    loop.start_listening(sock, server, tls=TlsServer(pair.certificate, pair.key))
    url = f"rediss://localhost:{sock.getsockname()[1]}"
    client = connect(url, tls=TlsClient(authorities=authority.path))
    replies: list[Any] = []
    client.ask(PING, replies.append)
    run_until(loop, lambda: replies)
    assert replies == [b"OK"]


def test_by_a_unix_socket(loop: RawServer, connect: Connect, tmp_path: Path) -> None:
    server = FakeRedis(loop)
    path = str(tmp_path / "store")
    loop.start_listening(loop.create_unixserversocket(path), server)
    client = connect(f"unix://{path}")
    assert client.ready


def test_without_hiredis_it_says_what_to_install(
    loop: RawServer, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "hiredis", None)
    with pytest.raises(StoreError, match=r"pip install 'rawserver\[redis\]'"):
        RedisClient(loop, RedisUrl(("localhost", 6379)), owner)
