"""The scripts, in a real server; what a registry promises is tested in tests/interop."""

import random
from collections.abc import Iterator
from typing import Any

import hiredis
import pytest

from interop.peers.redis_server import RedisServer
from rawserver.services.tracker import redis_scripts
from rawserver.services.tracker.redis_commands import (
    Announce,
    Command,
    Completions,
    RedisCommands,
    Verdict,
    result_of,
)
from rawserver.swarm.peer_entry import COMPLETED, VERIFIED
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import Event

HASH = bytes(range(20))
KEYS = f"rs:{{{HASH.hex()}}}:"
LIFETIME = 1000.0
LEECHER: dict[str, Any] = {"left": 1}


def peer_id(number: int) -> bytes:
    return number.to_bytes(20, "big")


def address(number: int) -> bytes:
    return number.to_bytes(4, "big")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


class Swarm:
    """One torrent in the store, at a time that a test sets."""

    def __init__(self, server: RedisServer, **options: Any) -> None:
        self.server = server
        self.now = 0.0
        self.commands = RedisCommands(random.Random(1).random, LIFETIME, **options)
        server.ask("FLUSHALL")

    def run(self, command: Command) -> Any:
        return self.server.ask("EVAL", command.script, *command.words[2:])

    def announce(self, number: int, *, age: float = 0.0, **fields: Any) -> AnnounceResult | int:
        asked = Announce(
            info_hash=HASH, peer_id=peer_id(number), ip=address(number), port=number, left=0,
            event=Event.NONE, numwant=50, now=self.now - age, key=b"", with_ids=False,
            partial=False, only_own_family=False, later=None,
        )._replace(**fields)  # fmt: skip
        reply = self.run(self.commands.announce(asked, self.now, asked.numwant))
        if isinstance(reply, Exception):
            raise reply
        return reply[0] if len(reply) == 1 else result_of(reply, False)

    def counts(self) -> Any:
        return self.run(self.commands.scrape(HASH, self.now))

    def keys(self) -> set[str]:
        return {key.decode().removeprefix(KEYS) for key in self.server.ask("KEYS", "*")}


@pytest.fixture
def swarm(server: RedisServer) -> Swarm:
    return Swarm(server)


def test_a_swarm_lies_where_the_module_says(swarm: Swarm) -> None:
    swarm.announce(1)
    swarm.announce(2, **LEECHER)
    swarm.announce(3, ip=bytes(16))
    swarm.announce(4, ip=bytes(16), **LEECHER)
    swarm.announce(5, port=0, event=Event.COMPLETED)
    swarm.announce(6, port=0, **LEECHER)
    swarm.announce(7, partial=True, **LEECHER)
    swarm.announce(8, ip=bytes(16), partial=True, **LEECHER)
    swarm.announce(9, port=0, partial=True, **LEECHER)
    assert swarm.keys() == {"p", "s4", "s6", "u4", "u6", "l4", "l6", "S", "U", "L", "d"}
    record = b"s0" + address(1) + b"\0\1" + b"0"
    assert swarm.server.ask("HGET", KEYS + "p", peer_id(1) + b"4") == record
    assert swarm.server.ask("ZRANGE", KEYS + "s4", 0, -1) == [address(1) + b"\0\1" + peer_id(1)]


def test_nothing_is_left_of_a_swarm_whose_last_peer_stopped(swarm: Swarm) -> None:
    swarm.announce(1, event=Event.COMPLETED)
    assert swarm.announce(1, event=Event.STOPPED) == AnnounceResult(0, 0, 1)
    assert swarm.keys() == set()
    assert swarm.announce(1, event=Event.STOPPED) == AnnounceResult(0, 0, 0)
    assert swarm.keys() == set()
    assert swarm.counts() is None


def test_a_torrent_without_peers_can_be_kept(server: RedisServer) -> None:
    swarm = Swarm(server, keep_dead=True)
    swarm.announce(1, event=Event.COMPLETED)
    swarm.announce(1, event=Event.STOPPED)
    assert swarm.keys() == {"d"}
    assert swarm.counts() == [0, 0, 1, 0]
    assert server.ask("PTTL", KEYS + "d") == -1


def test_a_swarm_expires_by_itself_but_not_before_its_peers(swarm: Swarm) -> None:
    for number in range(1, 400):
        swarm.now += 3.0
        swarm.announce(number % 7 + 1, left=number % 2, port=number % 3,
                       event=Event.COMPLETED if number % 5 else Event.NONE)  # fmt: skip
        for key in swarm.keys():
            left = swarm.server.ask("PTTL", KEYS + key)
            assert LIFETIME * 1000 < left + 1000
            assert left < LIFETIME * 1000 * 1.02


def test_the_silent_are_swept_out_of_every_set(swarm: Swarm) -> None:
    for number in range(1, 4):
        swarm.announce(number)
        swarm.announce(10 + number, **LEECHER)
        swarm.announce(20 + number, ip=number.to_bytes(16, "big"), **LEECHER)
        swarm.announce(30 + number, port=0)
    swarm.now = LIFETIME * 0.6
    swarm.announce(40, **LEECHER)
    assert swarm.counts() == [6, 7, 0, 7]
    swarm.now = LIFETIME * 1.2
    assert swarm.counts() == [0, 1, 0, 1]
    assert set(swarm.server.ask("HKEYS", KEYS + "p")) == {peer_id(40) + b"4", b"w"}
    swarm.now = LIFETIME * 2
    assert swarm.counts() is None
    assert swarm.keys() == set()


def test_one_who_was_silent_too_long_may_come_back_as_it_was(swarm: Swarm) -> None:
    swarm.announce(1)
    swarm.now = LIFETIME * 1.5
    swarm.announce(1)
    assert swarm.server.ask("HEXISTS", KEYS + "p", peer_id(1) + b"4")
    assert swarm.counts() == [1, 0, 0, 0]
    swarm.now = LIFETIME * 3
    # As may somebody else, by the same name.
    assert swarm.announce(1, ip=address(9)) == AnnounceResult(1, 0, 0)


def test_partial_seeds_are_no_leechers(swarm: Swarm) -> None:
    swarm.announce(1, partial=True, **LEECHER)
    swarm.announce(2, port=0, partial=True, **LEECHER)
    swarm.announce(3, **LEECHER)
    assert swarm.counts() == [0, 3, 0, 1]


def test_one_sweep_takes_out_so_many_and_the_next_goes_on(swarm: Swarm) -> None:
    most = redis_scripts.MAX_SWEPT
    for number in range(1, most + 11):
        swarm.announce(number, numwant=0)
    swarm.now = LIFETIME * 1.5
    assert swarm.counts() == [10, 0, 0, 0]
    assert swarm.counts() is None


def test_what_is_written_late_does_not_make_anybody_older_or_younger(swarm: Swarm) -> None:
    swarm.now = 100.0
    swarm.announce(1, **LEECHER)
    swarm.announce(1, age=50.0)
    assert swarm.counts() == [0, 1, 0, 1]
    swarm.announce(2, age=50.0)
    assert swarm.counts() == [1, 1, 0, 1]
    swarm.announce(3, age=LIFETIME + 1)
    assert swarm.counts() == [1, 1, 0, 1]
    swarm.now = LIFETIME + 80
    assert swarm.counts() == [0, 1, 0, 1]


def test_one_who_stopped_before_it_came_back_is_there(swarm: Swarm) -> None:
    swarm.now = 100.0
    swarm.announce(1)
    swarm.announce(1, age=50.0, event=Event.STOPPED)
    assert swarm.counts() == [1, 0, 0, 0]
    swarm.now = 200.0
    swarm.announce(1, age=50.0, event=Event.STOPPED)
    assert swarm.counts() is None


def test_what_is_known_of_a_peer_can_be_written_with_it(server: RedisServer) -> None:
    swarm = Swarm(server, hide_unverified=True)
    swarm.announce(1, age=1.0, flags=COMPLETED | VERIFIED)
    swarm.announce(2, age=1.0)
    result = swarm.announce(3, **LEECHER)
    assert isinstance(result, AnnounceResult)
    assert result.peers4 == address(1) + b"\0\1"
    assert result.unverified
    swarm.announce(1, event=Event.COMPLETED)
    assert swarm.counts() == [2, 1, 0, 1]


def test_completions_that_are_known_are_not_fewer_afterwards(swarm: Swarm) -> None:
    write = swarm.commands.completions
    assert swarm.run(write(Completions(HASH, 7), 0)) == 0
    assert swarm.keys() == set()
    swarm.announce(1, event=Event.COMPLETED)
    assert swarm.run(write(Completions(HASH, 7), 0)) == 7
    assert swarm.run(write(Completions(HASH, 3), 0)) == 7
    assert swarm.counts() == [1, 0, 7, 0]


def test_a_verdict_is_of_one_address(server: RedisServer) -> None:
    swarm = Swarm(server, hide_unverified=True)
    swarm.announce(1)

    def judge(listens: bool, port: int = 1) -> Any:
        verdict = Verdict(HASH, peer_id(1), address(1), port, listens)
        return swarm.run(swarm.commands.verdict(verdict, swarm.now))

    assert judge(True, port=2) == 0
    assert "S" in swarm.keys()
    assert judge(True) == 1
    assert swarm.keys() == {"p", "s4"}
    assert judge(True) == 1
    assert server.ask("ZCARD", KEYS + "s4") == 1
    assert server.ask("PTTL", KEYS + "s4") > LIFETIME * 1000
    assert judge(False) == 1
    assert swarm.keys() == {"p", "S"}
    judge(True)
    swarm.announce(1, port=9)
    assert swarm.keys() == {"p", "S"}


@pytest.mark.parametrize("wanted", [1, 9, 20, 30, 60, 90])
def test_a_large_swarm_is_drawn_from_evenly(swarm: Swarm, wanted: int) -> None:
    for number in range(1, 101):
        swarm.now += 1.0
        swarm.announce(number, numwant=0, left=int(number > 20))
    drawn = dict.fromkeys(range(1, 101), 0)
    draws = 6000 // wanted
    for _ in range(draws):
        result = swarm.announce(50, numwant=wanted, **LEECHER)
        assert isinstance(result, AnnounceResult)
        ports = [int.from_bytes(result.peers4[at + 4 : at + 6], "big")
                 for at in range(0, len(result.peers4), 6)]  # fmt: skip
        assert len(ports) == len(set(ports)) == wanted
        for port in ports:
            drawn[port] += 1
    assert drawn.pop(50) == 0
    # One is a seed at least. Six times the deviation of chance, at the most.
    likely = drawn if wanted > 1 else range(1, 21)
    mean = draws * wanted / len(likely)
    assert all(abs(drawn[number] - mean) < 6 * mean**0.5 for number in likely)
    assert sum(drawn[number] for number in likely) == draws * wanted


def test_all_of_a_small_swarm_are_drawn(swarm: Swarm) -> None:
    for number in range(1, 8):
        swarm.announce(number, left=number % 2, ip=bytes(3) + bytes([number]))
        swarm.announce(number, left=number % 2, ip=bytes(15) + bytes([number]))
    result = swarm.announce(7, **LEECHER, ip=bytes(3) + b"\7")
    assert isinstance(result, AnnounceResult)
    assert len(result.peers4) == 6 * 6
    assert len(result.peers6) == 6 * 18


def test_a_swarm_that_another_program_has_written_over_is_an_error(swarm: Swarm) -> None:
    swarm.server.ask("SET", KEYS + "p", "no hash")
    with pytest.raises(hiredis.ReplyError, match="WRONGTYPE"):
        swarm.announce(1)
