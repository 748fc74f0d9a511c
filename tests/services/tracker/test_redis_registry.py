"""A registry in a store that is scripted: there, away, slow, wrong, or another than before.

What it promises beside a real store is tested in tests/interop.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit.clock import MovableClock, pass_time
from kit.fake_redis import OK, FakeRedis, Words, array, bulk
from kit.loop import run_until
from rawserver import OsNetwork, RawServer
from rawserver.services.tracker import redis_client, write_back
from rawserver.services.tracker.redis_client import StoreError
from rawserver.services.tracker.redis_registry import RedisRegistry, run_id_of, seconds_of
from rawserver.services.tracker.store_condition import STEADY_SECONDS, TROUBLE_SECONDS
from rawserver.swarm.registry import AnnounceResult, RegistryError
from rawserver.wire.announce_request import Event
from rawserver.wire.scrape import ScrapeFile

HASH, OTHER_HASH = bytes(range(20)), bytes(20)
ONE, TWO = b"-XX0001-000000000001", b"-XX0001-000000000002"
IP, IP6 = b"\xc0\x00\x02\x01", b"\x20\x01\x0d\xb8" + bytes(12)
PEER = b"\xc0\x00\x02\x09\x1a\xe1"
PEER6 = b"\x20\x01\x0d\xb8" + bytes(14)
FOUND = array(3, 4, 5, PEER + TWO, b"", 0)


class Store(FakeRedis):
    """Answers every announce alike."""

    def __init__(self, raw_server: RawServer) -> None:
        super().__init__(raw_server, self.reply)
        self.run_id = b"first"
        self.announced: bytes | None = FOUND
        self.scraped: bytes | None = array(3, 4, 5, 2)
        self.scripts: dict[bytes, bytes] = {}

    def reply(self, words: Words) -> bytes | None:
        if words[0] == b"SCRIPT":
            return OK
        if words[0] == b"TIME":
            return array(b"1700000000", b"500000")
        if words[0] == b"INFO":
            return bulk(b"# Server\r\nrun_id:" + self.run_id + b"\r\n")
        assert words[0] in (b"EVALSHA", b"EVAL")
        return self.scraped if len(words) == 7 else self.announced

    @property
    def announces(self) -> list[Words]:
        return [words for words in self.commands if len(words) > 10]


class Asked:
    """One announce, and all that it is answered."""

    def __init__(self, registry: RedisRegistry, now: float, **fields: Any) -> None:
        self.outcomes: list[AnnounceResult | RegistryError] = []
        values: dict[str, Any] = {
            "info_hash": HASH, "peer_id": ONE, "ip": IP, "port": 6881, "left": 1,
            "event": Event.NONE, "numwant": None,
        }  # fmt: skip
        at_once = registry.announce(**(values | fields), now=now, later=self.outcomes.append)
        self.at_once = at_once is not None
        if at_once is not None:
            self.outcomes.append(at_once)

    @property
    def result(self) -> AnnounceResult:
        (outcome,) = self.outcomes
        assert isinstance(outcome, AnnounceResult)
        return outcome


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def loop() -> Iterator[RawServer]:
    """A loop whose clock a test can move."""
    faults: list[str] = []
    network: Any = MovableClock(OsNetwork())
    server = RawServer(network=network, errorfunc=lambda level, text: faults.append(text))
    yield server
    server.close()
    assert not faults, "\n".join(faults)


@pytest.fixture
def store(loop: RawServer) -> Store:
    return Store(loop)


@pytest.fixture
def make(loop: RawServer, store: Store, reports: list[str]) -> Iterator[Callable[..., Any]]:
    made: list[RedisRegistry] = []

    def make(connected: bool = True, **options: Any) -> RedisRegistry:
        registry = RedisRegistry(loop, store.url, report=reports.append, **options)
        made.append(registry)
        if connected:
            run_until(loop, lambda: registry.is_connected)
        return registry

    yield make
    for registry in made:
        registry.close()


@pytest.fixture
def registry(make: Callable[..., RedisRegistry]) -> RedisRegistry:
    return make()


@pytest.fixture
def ask(loop: RawServer, registry: RedisRegistry) -> Callable[..., Asked]:
    return lambda **fields: Asked(registry, loop.network.time(), **fields)


def come_back(loop: RawServer, registry: RedisRegistry) -> None:
    pass_time(loop, 15, until=lambda: registry.is_connected)
    run_until(loop, lambda: registry.is_connected)


def keys_of(info_hash: bytes) -> bytes:
    return b"rs:{%s}:" % info_hash.hex().encode()


def written(loop: RawServer, store: Store, count: int) -> list[Words]:
    """Wait until so many announces were written, and for what might come too many."""
    run_until(loop, lambda: len(store.announces) >= count)
    pass_time(loop, 1)
    assert len(store.announces) == count
    return store.announces


# A store that is there.


def test_the_store_answers(loop: RawServer, store: Store, ask: Callable[..., Asked]) -> None:
    asked = ask()
    assert not asked.at_once
    assert not asked.outcomes
    run_until(loop, lambda: asked.outcomes)
    assert asked.result == AnnounceResult(3, 4, 5, PEER)
    clock, real = int(store.announces[0][4]) / 1000, loop.network.time()
    assert -1 < clock - 1_700_000_000.5 < 20
    assert real >= 0


@pytest.mark.parametrize(("numwant", "asked_for"), [(None, 7), (0, 0), (9, 9), (9999, 9)])
def test_as_many_peers_are_asked_for_as_are_wanted_within_the_limit(
    loop: RawServer,
    store: Store,
    make: Callable[..., RedisRegistry],
    numwant: int | None,
    asked_for: int,
) -> None:
    registry = make(numwant=7, max_numwant=9)
    asked = Asked(registry, loop.network.time(), numwant=numwant)
    run_until(loop, lambda: asked.outcomes)
    assert store.announces[0][13] == b"%d" % asked_for


def test_a_turn_of_announces_is_one_write(
    loop: RawServer, store: Store, ask: Callable[..., Asked]
) -> None:
    store.reads.clear()
    asked = [ask(peer_id=bytes([number]) * 20, port=number) for number in range(1, 51)]
    run_until(loop, lambda: all(each.outcomes for each in asked))
    assert [len(read) for read in store.reads] == [50]
    assert all(each.result.peers4 == PEER for each in asked)


@pytest.mark.parametrize("at_a_time", [1, 3])
def test_answers_may_come_in_pieces(
    loop: RawServer, store: Store, ask: Callable[..., Asked], at_a_time: int
) -> None:
    store.at_a_time = at_a_time
    asked = [ask(), ask(peer_id=TWO)]
    run_until(loop, lambda: all(each.outcomes for each in asked))
    assert [each.result.complete for each in asked] == [3, 3]


def test_who_has_neither_key_nor_address_is_refused(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    store.announced = array(-1)
    asked = ask()
    run_until(loop, lambda: asked.outcomes)
    (outcome,) = asked.outcomes
    assert isinstance(outcome, RegistryError)
    assert "key" in str(outcome)
    assert len(registry) == 0
    assert registry.warning == ""


def test_a_store_that_forgot_its_scripts_is_sent_them(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    store.answer = lambda words: (
        b"-NOSCRIPT No matching script.\r\n" if words[0] == b"EVALSHA" else store.reply(words)
    )
    asked = ask()
    files: list[Any] = []
    registry.scrape([HASH], files.append)
    run_until(loop, lambda: asked.outcomes and files)
    assert asked.result.complete == 3
    assert files == [[ScrapeFile(HASH, 3, 5, 4, 2)]]
    assert [words[0] for words in store.commands[-4:]] == [b"EVALSHA"] * 2 + [b"EVAL"] * 2


def test_a_scrape_is_the_stores(loop: RawServer, store: Store, registry: RedisRegistry) -> None:
    files: list[Any] = []
    assert registry.scrape([HASH, OTHER_HASH], files.append) is None
    run_until(loop, lambda: files)
    assert files == [[ScrapeFile(HASH, 3, 5, 4, 2), ScrapeFile(OTHER_HASH, 3, 5, 4, 2)]]
    store.scraped = b"$-1\r\n"
    registry.scrape([HASH], files.append)
    run_until(loop, lambda: len(files) == 2)
    assert files[1] == []
    assert registry.scrape([], files.append) == []


def test_what_is_known_is_of_the_swarms_that_were_asked_for_here(
    loop: RawServer, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    assert HASH not in registry
    asked = ask()
    run_until(loop, lambda: asked.outcomes)
    assert HASH in registry
    assert (len(registry), registry.num_peers, registry.num_seeds) == (1, 7, 3)
    assert list(registry.torrents()) == [ScrapeFile(HASH, 3, 5, 4)]
    assert list(registry.torrents(0)) == []
    registry.expire(loop.network.time() + 1_000_000)
    for _ in range(100):
        registry.expire(loop.network.time() + 1_000_000)
    assert (len(registry), registry.num_peers) == (0, 0)


def test_strangers_cannot_fill_the_store_beyond_what_may_be_kept_here(
    loop: RawServer, store: Store, make: Callable[..., RedisRegistry]
) -> None:
    registry = make(max_peers=1)
    now = loop.network.time()
    asked = Asked(registry, now)
    run_until(loop, lambda: asked.outcomes)
    with pytest.raises(RegistryError, match="full"):
        Asked(registry, now, peer_id=TWO)
    again = Asked(registry, now)
    run_until(loop, lambda: again.outcomes)
    assert again.result.complete == 3
    assert len(store.announces) == 2


# A store that is away.


def test_while_it_is_away_announces_are_answered_at_once_from_what_is_known(
    loop: RawServer,
    store: Store,
    registry: RedisRegistry,
    ask: Callable[..., Asked],
    reports: list[str],
) -> None:
    store.announced = array(3, 4, 5, PEER + TWO, PEER6 + TWO, 0)
    first = ask(peer_id=TWO, port=2)
    run_until(loop, lambda: first.outcomes)
    store.go_away()
    run_until(loop, lambda: not registry.is_connected)
    pass_time(loop, 30)
    asked = ask()
    assert asked.at_once
    assert asked.result == AnnounceResult(3, 4, 5, IP + b"\0\2" + PEER, PEER6)
    assert ask(peer_id=TWO, port=2, left=0).result.peers4 == IP + b"\x1a\xe1"
    assert ask(numwant=0).result.peers4 == b""
    assert ask(only_own_family=True).result.peers6 == b""
    assert ask(with_ids=True).result.peers4 == IP + b"\0\2"
    assert registry.scrape([HASH, OTHER_HASH]) == [ScrapeFile(HASH, 3, 5, 4)]
    assert len(reports) == 1
    assert reports[0].startswith(f"the store {store.url}/0 is away: ")
    assert registry.warning.startswith(f"the store {store.url}/0 is away: ")


def test_who_is_refused_while_it_is_away_hears_so_at_once(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    first = ask()
    run_until(loop, lambda: first.outcomes)
    store.go_away()
    run_until(loop, lambda: not registry.is_connected)
    with pytest.raises(RegistryError):
        ask(ip=b"\1\2\3\4")


def test_no_answer_is_later_than_the_time_out(
    loop: RawServer, store: Store, make: Callable[..., RedisRegistry]
) -> None:
    registry = make(timeout=1.0)
    store.announced = store.scraped = None
    asked = Asked(registry, loop.network.time())
    files: list[Any] = []
    registry.scrape([HASH], files.append)
    pass_time(loop, 0.75)
    assert not asked.outcomes
    pass_time(loop, 0.75)
    assert asked.result == AnnounceResult(0, 1, 0)
    assert files == [[ScrapeFile(HASH, 0, 0, 1, 1)]]
    assert "no answer within 1 s" in registry.warning
    assert Asked(registry, loop.network.time()).at_once


def test_who_waits_when_it_goes_away_is_answered_once(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    store.announced = b"*6\r\n:1\r\n:2"
    asked = [ask(), ask(peer_id=TWO)]
    run_until(loop, lambda: len(store.announces) == 2)
    store.announced = FOUND
    store.hang_up()
    run_until(loop, lambda: all(each.outcomes for each in asked))
    come_back(loop, registry)
    pass_time(loop, 5)
    assert [each.result.incomplete for each in asked] == [1, 2]


def test_a_refusal_of_what_waited_goes_to_who_waited(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    first = ask()
    run_until(loop, lambda: first.outcomes)
    store.announced = None
    asked = ask(ip=b"\1\2\3\4")
    run_until(loop, lambda: len(store.announces) == 2)
    store.hang_up()
    run_until(loop, lambda: asked.outcomes)
    assert isinstance(asked.outcomes[0], RegistryError)


@pytest.mark.parametrize("error", ["LOADING it loads", "MOVED 1 192.0.2.1:6379", "NOAUTH who"])
def test_a_store_that_says_it_cannot_is_away(
    loop: RawServer,
    store: Store,
    registry: RedisRegistry,
    ask: Callable[..., Asked],
    error: str,
) -> None:
    store.answer = lambda words: b"-%s\r\n" % error.encode()
    asked = ask()
    run_until(loop, lambda: asked.outcomes)
    assert asked.result == AnnounceResult(0, 1, 0)
    assert error in registry.warning
    pass_time(loop, 3)
    assert not registry.is_connected
    assert error in registry.warning
    store.answer = store.reply
    come_back(loop, registry)
    assert registry.warning == ""


def test_a_swarm_that_holds_something_else_is_trouble_of_its_own(
    loop: RawServer,
    store: Store,
    registry: RedisRegistry,
    ask: Callable[..., Asked],
    reports: list[str],
) -> None:
    for wrong in (b"-WRONGTYPE it holds a string\r\n", array(1, 2), b":7\r\n", b"$-1\r\n"):
        store.announced = store.scraped = wrong
        asked, again = ask(), ask()
        files: list[Any] = []
        registry.scrape([HASH], files.append)
        run_until(loop, lambda: asked.outcomes and again.outcomes and files)  # noqa: B023
        assert asked.result == AnnounceResult(0, 1, 0)
        assert registry.is_connected
    assert "is in trouble: WRONGTYPE it holds a string" in reports[0]
    assert len(reports) <= 4
    assert "is in trouble" in registry.warning
    pass_time(loop, TROUBLE_SECONDS + 1, step=5)
    assert registry.warning == ""
    store.announced = FOUND
    asked = ask()
    run_until(loop, lambda: asked.outcomes)
    assert asked.result.complete == 3


def test_what_it_does_not_keep_up_with_is_answered_from_here(
    loop: RawServer,
    store: Store,
    registry: RedisRegistry,
    ask: Callable[..., Asked],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_client, "MAX_WAITING", 2)
    asked = [ask(peer_id=bytes([number]) * 20) for number in range(4)]
    assert [each.at_once for each in asked] == [False, False, True, True]
    run_until(loop, lambda: all(each.outcomes for each in asked))
    assert "does not keep up" in registry.warning
    written(loop, store, 4)


def test_one_that_is_not_there_at_first_is_waited_for_by_nobody(
    loop: RawServer, store: Store, make: Callable[..., RedisRegistry], reports: list[str]
) -> None:
    store.go_away()
    registry = make(connected=False)
    assert Asked(registry, loop.network.time()).at_once
    run_until(loop, lambda: reports)
    store.listen()
    come_back(loop, registry)
    written(loop, store, 1)


def test_it_is_told_once_that_it_went_and_once_that_it_is_back(
    loop: RawServer, store: Store, registry: RedisRegistry, reports: list[str]
) -> None:
    for _ in range(5):
        store.hang_up()
        run_until(loop, lambda: not registry.is_connected)
        come_back(loop, registry)
        assert registry.warning == ""
    assert len(reports) == 1
    pass_time(loop, STEADY_SECONDS + 1)
    assert reports[1:] == [f"the store {store.url}/0 is back"]
    store.hang_up()
    run_until(loop, lambda: len(reports) == 3)


# A store that is back.


def test_what_one_missed_is_written_when_it_is_back(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    known = ask(peer_id=b"k" * 20)
    run_until(loop, lambda: known.outcomes)
    store.go_away()
    run_until(loop, lambda: not registry.is_connected)
    store.commands.clear()
    ask(event=Event.COMPLETED, left=0)
    ask(peer_id=TWO, event=Event.STARTED)
    ask(peer_id=TWO, event=Event.STOPPED)
    ask(left=0)
    pass_time(loop, 1)
    registry.expire(loop.network.time())
    store.listen()
    come_back(loop, registry)
    two, one = written(loop, store, 2)
    assert (two[7], two[12]) == (TWO + b"4", b"x")
    assert (one[7], one[11], one[12], one[13]) == (ONE + b"4", b"s", b"c", b"0")
    assert 1000 <= int(one[14]) < 60_000


def test_what_waited_when_it_went_is_written_too(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    store.announced = None
    asked = ask(event=Event.COMPLETED, left=0)
    run_until(loop, lambda: len(store.announces) == 1)
    store.hang_up()
    run_until(loop, lambda: asked.outcomes)
    store.announced = FOUND
    come_back(loop, registry)
    assert written(loop, store, 2)[1][12] == b"c"


def test_one_that_lost_all_is_told_all_that_is_known(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    asked = [
        ask(left=0, event=Event.COMPLETED, key=b"key"),
        ask(peer_id=TWO, ip=IP6, port=9),
        ask(peer_id=TWO, info_hash=OTHER_HASH, event=Event.PAUSED, partial=True),
        ask(peer_id=b"s" * 20, info_hash=OTHER_HASH),
        ask(peer_id=b"s" * 20, info_hash=OTHER_HASH, event=Event.STOPPED),
    ]
    run_until(loop, lambda: all(each.outcomes for each in asked))
    before = {(words[3], words[7]): words for words in store.announces[:3]}
    store.run_id = b"second"
    store.hang_up()
    run_until(loop, lambda: not registry.is_connected)
    store.commands.clear()
    come_back(loop, registry)
    after = {(words[3], words[7]): words for words in written(loop, store, 3)}
    assert after.keys() == before.keys()
    for name, words in after.items():
        assert words[9:12] == before[name][9:12]  # address, key, kind
        assert words[12:14] == [b"n", b"0"]
        # Ages are known to a 64th of a lifetime, and said to be rather too old.
        assert 0 < int(words[14]) < 2 * 2_700_000 / 64 + 60_000
    assert after[keys_of(HASH), ONE + b"4"][16] == b"1"
    completions = [words for words in store.commands if len(words) == 8]
    assert {(words[3], words[7]) for words in completions} == {
        (keys_of(HASH), b"5"),
        (keys_of(OTHER_HASH), b"5"),
    }


def test_one_that_missed_more_than_can_be_kept_is_told_all_that_is_known(
    loop: RawServer,
    store: Store,
    make: Callable[..., RedisRegistry],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(write_back, "MAX_UNWRITTEN", 1)
    registry = make()
    store.go_away()
    run_until(loop, lambda: not registry.is_connected)
    for number in range(3):
        Asked(registry, loop.network.time(), peer_id=bytes([number]) * 20)
    store.listen()
    come_back(loop, registry)
    told = {words[7][0] for words in written(loop, store, 1 + 3)}
    assert told == {0, 1, 2}


def test_one_that_does_not_say_who_it_is_may_have_lost_all(
    loop: RawServer, store: Store, make: Callable[..., RedisRegistry]
) -> None:
    store.answer = lambda words: (
        b"-NOPERM no INFO for you\r\n" if words[0] == b"INFO" else store.reply(words)
    )
    registry = make()
    asked = Asked(registry, loop.network.time())
    run_until(loop, lambda: asked.outcomes)
    store.hang_up()
    run_until(loop, lambda: not registry.is_connected)
    come_back(loop, registry)
    written(loop, store, 2)


def test_which_run_of_a_server_it_is() -> None:
    assert run_id_of(b"# Server\r\nredis_version:7\r\nrun_id:abc\r\nx:y\r\n") == "abc"
    assert run_id_of(b"# Server\r\n") == ""
    assert run_id_of(None) == ""
    assert run_id_of(ValueError("NOPERM")) == ""


def test_what_time_a_server_has() -> None:
    assert seconds_of([b"1700000000", b"250000"]) == 1_700_000_000.25
    for wrong in (None, 7, [b"1"], [b"1", b"x"], b"what?"):
        with pytest.raises(StoreError, match="time"):
            seconds_of(wrong)


@pytest.mark.parametrize("command", [b"SCRIPT", b"TIME"])
def test_a_store_that_cannot_be_used_is_away(
    loop: RawServer, store: Store, make: Callable[..., RedisRegistry], command: bytes
) -> None:
    store.answer = lambda words: (
        b"-NOPERM not for you\r\n" if words[0] == command else store.reply(words)
    )
    registry = make(connected=False)
    run_until(loop, lambda: registry.warning)
    assert registry.warning.endswith("is away: NOPERM not for you")
    assert Asked(registry, loop.network.time()).at_once


# The rest.


def test_verdicts_are_told_to_the_store_now_or_later(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    asked = ask()
    run_until(loop, lambda: asked.outcomes)

    def verdicts() -> list[bytes]:
        return [words[9] for words in store.commands if len(words) == 10]

    assert registry.verified(HASH, ONE, IP, 6881)
    assert not registry.verified(HASH, TWO, IP, 6881)
    run_until(loop, lambda: verdicts() == [b"1", b"1"])
    store.go_away()
    run_until(loop, lambda: not registry.is_connected)
    registry.unreachable(HASH, ONE, IP, 6881)
    store.listen()
    come_back(loop, registry)
    run_until(loop, lambda: verdicts() == [b"1", b"1", b"0"])


def test_closing_answers_who_waits(
    loop: RawServer, store: Store, registry: RedisRegistry, ask: Callable[..., Asked]
) -> None:
    store.announced = None
    asked = ask()
    registry.close()
    run_until(loop, lambda: asked.outcomes)
    assert asked.result == AnnounceResult(0, 1, 0)
    pass_time(loop, 20)
    assert not store.connections


def test_by_default_the_loop_reports(
    loop: RawServer, store: Store, make: Callable[..., RedisRegistry]
) -> None:
    told: list[str] = []
    errorfunc, loop.errorfunc = loop.errorfunc, lambda level, text: told.append(text)
    registry = RedisRegistry(loop, store.url)
    run_until(loop, lambda: registry.is_connected)
    store.hang_up()
    run_until(loop, lambda: told)
    registry.close()
    loop.errorfunc = errorfunc
    assert "is away" in told[0]


@pytest.mark.parametrize("url", ["http://h", "redis://"])
def test_what_is_no_url_of_a_store(loop: RawServer, url: str) -> None:
    with pytest.raises(ValueError, match="the store's URL"):
        RedisRegistry(loop, url)
