"""A scrape of several torrents is one answer."""

from collections.abc import Callable, Sequence
from typing import Any

from kit.fake_loop import FakeLoop
from rawserver.services.tracker.redis_client import StoreError
from rawserver.services.tracker.redis_scrape import RedisScrape
from rawserver.wire.scrape import ScrapeFile

HASHES = [bytes([number]) * 20 for number in range(4)]


class Store:
    """Is asked for all but the first `refused` torrents."""

    def __init__(self, refused: int = 0) -> None:
        self.refused = refused
        self.asked: dict[bytes, Callable[[Any], None]] = {}

    def ask_for_file(self, info_hash: bytes, answered: Callable[[Any], None]) -> bool:
        self.refused -= 1
        if self.refused >= 0:
            return False
        self.asked[info_hash] = answered
        return True

    def file_from_here(self, info_hash: bytes) -> ScrapeFile | None:
        return None if info_hash == HASHES[3] else ScrapeFile(info_hash, 0, 0, 9)


def scrape(store: Store) -> tuple[Any, list[Sequence[ScrapeFile]]]:
    loop: Any = FakeLoop()
    answers: list[Sequence[ScrapeFile]] = []
    RedisScrape(loop, store, HASHES, answers.append).start()
    assert not answers
    return loop, answers


def test_it_answers_once_in_the_order_of_the_question() -> None:
    store = Store()
    _, answers = scrape(store)
    for number in (2, 0, 3):
        store.asked[HASHES[number]]([number, 5, 6, 4])
    assert not answers
    store.asked[HASHES[1]](None)
    assert answers == [[ScrapeFile(HASHES[each], each, 6, 5, 4) for each in (0, 2, 3)]]


def test_what_the_store_does_not_say_is_answered_from_here() -> None:
    store = Store()
    _, answers = scrape(store)
    store.asked[HASHES[0]](StoreError("away"))
    store.asked[HASHES[1]](ValueError("WRONGTYPE"))
    store.asked[HASHES[2]]([1])
    store.asked[HASHES[3]](StoreError("away"))
    assert answers == [[ScrapeFile(each, 0, 0, 9) for each in HASHES[:3]]]


def test_what_cannot_be_asked_is_answered_from_here_but_not_at_once() -> None:
    store = Store(refused=4)
    loop, answers = scrape(store)
    loop.turn()
    assert answers == [[ScrapeFile(each, 0, 0, 9) for each in HASHES[:3]]]
    store = Store(refused=2)
    loop, answers = scrape(store)
    store.asked[HASHES[2]](None)
    store.asked[HASHES[3]](None)
    loop.turn()
    assert answers == [[ScrapeFile(each, 0, 0, 9) for each in HASHES[:2]]]
