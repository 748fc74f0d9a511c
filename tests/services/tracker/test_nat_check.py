"""Connecting back to peers: who is reached, who is somebody else, who is not there."""

from typing import Any

import pytest

from kit.joined import free_port, listen
from kit.loop import run_until
from kit.tracker_desk import GETTER, HASH
from rawserver import RawServer, SingleSocket
from rawserver.services.tracker import Asker, nat_check
from rawserver.services.tracker.nat_check import NatCheck, Verdict
from rawserver.simulation import World
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import AnnounceRequest, Event
from rawserver.wire.compact_peers import ip_to_bytes
from rawserver.wire.peer_wire import HANDSHAKE_LENGTH, encode_handshake

HERE = Asker(b"\x7f\x00\x00\x01")
UNVERIFIED = AnnounceResult(0, 1, 0, unverified=True)
RESERVED = b"\x00\x00\x00\x00\x00\x10\x00\x05"


class Peer:
    """Listens, and answers a handshake with what it is given, in pieces."""

    def __init__(self, raw_server: RawServer, *answer: bytes, port: int = 0) -> None:
        self.port = port or listen(raw_server, self)
        if port:
            raw_server.start_listening(raw_server.create_serversocket(port), self)
        self.answer = answer
        self.heard = b""
        self.calls = 0

    def external_connection_made(self, connection: SingleSocket) -> None:
        self.calls += 1

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        self.heard += data
        if len(self.heard) >= HANDSHAKE_LENGTH:
            for part in self.answer:
                connection.write(part)
            if not self.answer:
                connection.close()


class Book:
    """A registry that notes its verdicts, and a log."""

    def __init__(self) -> None:
        self.verdicts: list[tuple[str, bytes, bytes, bytes, int]] = []
        self.logged: list[tuple[str, int, Verdict]] = []

    def verified(self, *who: Any) -> bool:
        self.verdicts.append(("verified", *who))
        return True

    def unreachable(self, *who: Any) -> bool:
        self.verdicts.append(("unreachable", *who))
        return True

    def log(self, *entry: Any) -> None:
        self.logged.append(entry)


@pytest.fixture(autouse=True)
def no_wait_for_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nat_check, "RETRY_SECONDS", 0.0)


def check(raw_server: RawServer, book: Book, port: int, **options: Any) -> NatCheck:
    checker = NatCheck(raw_server, book, log=book.log, **options)
    checker(AnnounceRequest(HASH, GETTER, port, left=1), HERE, UNVERIFIED)
    return checker


def test_who_answers_as_himself_is_verified(raw_server: RawServer) -> None:
    answer = encode_handshake(HASH, GETTER, RESERVED)
    peer = Peer(raw_server, answer[:30], answer[30:] + b"\x00\x00\x00\x01\x01")
    book = Book()
    checker = check(raw_server, book, peer.port)
    run_until(raw_server, lambda: book.verdicts)
    assert book.verdicts == [("verified", HASH, GETTER, HERE.ip, peer.port)]
    assert book.logged == [("127.0.0.1", peer.port, Verdict.REACHED)]
    assert (checker.reached, checker.failed) == (1, 0)
    assert peer.heard[28:48] == HASH
    assert peer.heard[48:] != GETTER


def test_a_program_may_have_another_id_for_each_connection(raw_server: RawServer) -> None:
    peer = Peer(raw_server, encode_handshake(HASH, GETTER[:8] + b"as of now..."))
    book = Book()
    check(raw_server, book, peer.port)
    run_until(raw_server, lambda: book.verdicts)
    assert book.verdicts == [("verified", HASH, GETTER, HERE.ip, peer.port)]


@pytest.mark.parametrize(
    "answer",
    [
        encode_handshake(HASH, b"-XX0002-gettergetter"),
        encode_handshake(b"x" * 20, GETTER),
        b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100),
    ],
)
def test_who_answers_as_another_is_not(raw_server: RawServer, answer: bytes) -> None:
    peer, book = Peer(raw_server, answer), Book()
    check(raw_server, book, peer.port, tries=2)
    run_until(raw_server, lambda: book.verdicts)
    assert book.verdicts == [("unreachable", HASH, GETTER, HERE.ip, peer.port)]
    assert [entry[2] for entry in book.logged] == [Verdict.SOMEBODY_ELSE] * 2
    assert peer.calls == 2


def test_where_nobody_listens_it_is_given_up_after_some_tries(raw_server: RawServer) -> None:
    book = Book()
    port = free_port(raw_server)
    checker = check(raw_server, book, port, tries=3)
    run_until(raw_server, lambda: book.verdicts)
    assert [entry[2] for entry in book.logged] == [Verdict.UNREACHABLE] * 3
    assert checker.failed == 3
    # The next announce begins anew.
    checker(AnnounceRequest(HASH, GETTER, port, left=1), HERE, UNVERIFIED)
    run_until(raw_server, lambda: len(book.logged) == 6)


def test_who_says_nothing_is_not_waited_for(raw_server: RawServer) -> None:
    peer, book = Peer(raw_server, b"\x13"), Book()
    check(raw_server, book, peer.port, tries=1, timeout=0.05)
    run_until(raw_server, lambda: book.verdicts)
    assert book.logged == [("127.0.0.1", peer.port, Verdict.UNREACHABLE)]


def test_who_hangs_up_without_a_word_was_not_reached(raw_server: RawServer) -> None:
    peer, book = Peer(raw_server), Book()
    check(raw_server, book, peer.port, tries=1)
    run_until(raw_server, lambda: book.verdicts)
    assert book.logged == [("127.0.0.1", peer.port, Verdict.UNREACHABLE)]


def test_who_is_known_leaves_or_does_not_listen_is_not_checked(raw_server: RawServer) -> None:
    book = Book()
    checker = NatCheck(raw_server, book, log=book.log)
    request = AnnounceRequest(HASH, GETTER, 6881, left=1)
    checker(request, HERE, AnnounceResult(0, 1, 0))
    checker(request._replace(event=Event.STOPPED), HERE, UNVERIFIED)
    checker(request._replace(port=0), HERE, UNVERIFIED)
    peer = Peer(raw_server, encode_handshake(HASH, GETTER))
    for _ in range(2):
        checker(request._replace(port=peer.port), HERE, UNVERIFIED)
    run_until(raw_server, lambda: book.verdicts)
    assert len(book.logged) == peer.calls == 1


def test_so_many_are_checked_at_a_time_and_so_many_wait(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nat_check, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(nat_check, "MOST_WAITING", 5)
    peers = [Peer(raw_server, encode_handshake(HASH, GETTER)) for _ in range(6)]
    book = Book()
    checker = NatCheck(raw_server, book)
    for peer in peers:
        checker(AnnounceRequest(HASH, GETTER, peer.port, left=1), HERE, UNVERIFIED)
    run_until(raw_server, lambda: len(book.verdicts) == 5)
    assert [peer.calls for peer in peers] == [1, 1, 1, 1, 1, 0]


def test_who_makes_peers_up_keeps_nobody_from_being_checked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nat_check, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(nat_check, "MOST_OF_ONE_ADDRESS", 50)
    tracker = world.add_host("tracker", "192.0.2.1", "2001:db8:1::1")
    peer = world.add_host("peer", "192.0.2.2")
    answer = encode_handshake(HASH, GETTER)
    peer.boot(lambda raw_server: Peer(raw_server, answer, port=6881))
    book = Book()
    checker = NatCheck(tracker.boot(lambda raw_server: None), book, tries=1, log=book.log)
    for number in range(100):
        # Nothing answers there.
        asker = Asker(ip_to_bytes(f"2001:db8:2::{number + 1:x}"))
        checker(AnnounceRequest(HASH, b"%020d" % number, 9, left=1), asker, UNVERIFIED)
    one = Asker(ip_to_bytes(peer.addresses[0]))
    checker(AnnounceRequest(HASH, GETTER, 6881, left=1), one, UNVERIFIED)
    world.run(condition=lambda: checker.reached, seconds=25)
    assert book.verdicts[-1] == ("verified", HASH, GETTER, one.ip, 6881)
    world.run(seconds=600)
    assert checker.failed == 50


def test_checks_end_with_their_context(raw_server: RawServer) -> None:
    peer, book, context = Peer(raw_server, b"\x13"), Book(), object()
    raw_server.add_context(context)
    check(raw_server, book, peer.port, context=context, tries=2)
    run_until(raw_server, lambda: peer.heard)
    raw_server.remove_context(context)
    turns: list[int] = []
    raw_server.add_task(turns.append, 0.0, (1,))
    run_until(raw_server, lambda: turns)
    assert not book.verdicts
    assert peer.calls == 1
