"""What a tracker asks of a store, and how it reads the answers."""

import hashlib
from typing import Any
from zlib import crc32

import hiredis
import pytest

from rawserver.services.tracker.redis_commands import (
    Announce,
    Command,
    Completions,
    RedisCommands,
    Verdict,
    file_of,
    result_of,
)
from rawserver.services.tracker.redis_scripts import ANNOUNCE, COMPLETIONS, SCRAPE, VERDICT
from rawserver.swarm.registry import AnnounceResult
from rawserver.wire.announce_request import Event
from rawserver.wire.compact_peers import Peer
from rawserver.wire.scrape import ScrapeFile

HASH, PEER = b"\xab" * 20, b"-XX0001-abcdefghijkl"
KEYS = f"rs:{{{'ab' * 20}}}:"
ASKED = Announce(
    info_hash=HASH, peer_id=PEER, ip=b"\1\2\3\4", port=258, left=5, event=Event.NONE,
    numwant=50, now=90.0, key=b"key", with_ids=False, partial=False, only_own_family=False,
    later=None,
)  # fmt: skip


def commands(**options: Any) -> RedisCommands:
    made = RedisCommands(lambda: 0.25, 2700.0, **options)
    made.clock = 1000.0
    return made


def test_an_announce() -> None:
    words = commands().announce(ASKED, 100.0, 30).words
    sha1 = hashlib.sha1(ANNOUNCE.encode()).hexdigest()
    assert words[:7] == ("EVALSHA", sha1, 1, KEYS, 1_100_000, 2_700_000, 0)
    assert words[7:13] == (PEER + b"4", PEER + b"6", b"\1\2\3\4\1\2", crc32(b"key"), b"l", b"n")
    assert words[13:] == (30, 10_000, 2**28, 0, "")


@pytest.mark.parametrize(
    ("fields", "place", "word"),
    [
        ({"left": 0}, 11, b"s"),
        ({"partial": True}, 11, b"u"),
        ({"left": 0, "partial": True}, 11, b"s"),
        ({"event": Event.STARTED}, 12, b"n"),
        ({"event": Event.COMPLETED}, 12, b"c"),
        ({"event": Event.STOPPED}, 12, b"x"),
        ({"ip": bytes(16)}, 7, PEER + b"6"),
        ({"ip": bytes(16)}, 8, PEER + b"4"),
        ({"only_own_family": True, "with_ids": True}, 17, "f"),
        ({"key": b""}, 10, 0),
        ({"flags": 3}, 16, 3),
    ],
)
def test_what_an_announce_says_is_in_the_command(
    fields: dict[str, Any], place: int, word: object
) -> None:
    assert commands().announce(ASKED._replace(**fields), 100.0, 0).words[place] == word


def test_what_the_tracker_is_told_to_do_is_in_the_command() -> None:
    words = commands(keep_dead=True, hide_unverified=True).announce(ASKED, 100.0, 0).words
    assert words[6] == 1
    assert words[17] == "h"


def test_what_is_written_later() -> None:
    made = commands()
    assert made.written(ASKED, 100.0).words[13:15] == (0, 10_000)
    verdict = made.written(Verdict(HASH, PEER, bytes(16), 258, True), 100.0)
    assert verdict.script == VERDICT
    assert verdict.words[3:] == (
        KEYS, 1_100_000, 2_700_000, 0, PEER + b"6", bytes(16) + b"\1\2", 1,
    )  # fmt: skip
    completions = made.written(Completions(HASH, 7), 100.0)
    assert completions.script == COMPLETIONS
    assert completions.words[3:] == (KEYS, 1_100_000, 2_700_000, 0, 7)


def test_a_scrape() -> None:
    command = commands().scrape(HASH, 100.0)
    assert command.script == SCRAPE
    assert command.words[3:] == (KEYS, 1_100_000, 2_700_000, 0)


def test_a_command_can_be_sent_with_its_script() -> None:
    reader = hiredis.Reader()
    command = Command(("EVALSHA", "sha", 1, b"k\r\n"), "return 1")
    reader.feed(command.packed() + command.with_script())
    assert reader.gets() == [b"EVALSHA", b"sha", b"1", b"k\r\n"]
    assert reader.gets() == [b"EVAL", b"return 1", b"1", b"k\r\n"]


def test_a_connection_begins_with_the_scripts_and_who_is_there() -> None:
    reader = hiredis.Reader()
    reader.feed(b"".join(RedisCommands.opening()))
    read = []
    while words := reader.gets():
        read.append(words)
    assert [words[:2] for words in read] == [
        *[[b"SCRIPT", b"LOAD"]] * 4,
        [b"TIME"],
        [b"INFO", b"server"],
    ]


def test_a_reply_to_an_announce() -> None:
    four, six = b"abcdef", b"ABCDEFGHIJKLMNOPQR"
    reply: list[int | bytes] = [1, 2, 3, four + PEER + b"ghijkl" + HASH, six + PEER, 1]
    assert result_of(reply, False) == AnnounceResult(1, 2, 3, b"abcdefghijkl", six, (), True)
    assert result_of([0, 0, 0, b"", b"", 0], False) == AnnounceResult(0, 0, 0)


def test_a_reply_with_peer_ids() -> None:
    four, six = b"\1\2\3\4\1\2", bytes(15) + b"\1\0\7"
    reply: list[int | bytes] = [0, 2, 0, four + PEER + four + HASH, six + PEER, 0]
    peers = (Peer("1.2.3.4", 258, PEER), Peer("1.2.3.4", 258, HASH), Peer("::1", 7, PEER))
    assert result_of(reply, True) == AnnounceResult(0, 2, 0, four * 2, six, peers, False)


@pytest.mark.parametrize(
    "reply", [[1, 2], [1, 2, 3, None, b"", 0], [1, 2, 3, b"", 0, 0], [1, 2, 3, b"x", b"", 0], 7]
)
def test_what_is_no_reply_to_an_announce(reply: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        result_of(reply, False)


def test_a_reply_to_a_scrape() -> None:
    assert file_of(HASH, [1, 2, 3, 2]) == ScrapeFile(HASH, 1, 3, 2, 2)
