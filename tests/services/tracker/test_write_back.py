"""Telling a store what it does not know, a portion at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kit.fake_loop import FakeLoop
from rawserver.services.tracker import write_back as write_back_module
from rawserver.services.tracker.redis_client import StoreError
from rawserver.services.tracker.redis_commands import Completions, Writable
from rawserver.services.tracker.write_back import PAUSE_SECONDS, PORTION, WriteBack


class Store:
    """Notes what is written; answers when a test says so."""

    def __init__(self) -> None:
        self.is_there = True
        self.written: list[Writable] = []
        self.waiting: list[Callable[[Any], None]] = []

    def write(self, item: Writable, written: Callable[[Any], None]) -> bool:
        if self.is_there:
            self.written.append(item)
            self.waiting.append(written)
        return self.is_there

    def answer(self, reply: Any = 1) -> None:
        waiting, self.waiting = self.waiting, []
        for written in waiting:
            written(reply)


def count(number: int) -> Completions:
    return Completions(number.to_bytes(20, "big"), number)


def counts(start: int, stop: int) -> Iterator[Completions]:
    return map(count, range(start, stop))


def make() -> tuple[Any, Store, WriteBack]:
    loop: Any = FakeLoop()
    store = Store()
    return loop, store, WriteBack(loop, store)


def test_each_portion_waits_for_the_answers_to_the_one_before() -> None:
    loop, store, write_back = make()
    for item in counts(0, PORTION + 3):
        write_back.add(item)
    write_back.start()
    write_back.start()
    assert store.written == []
    loop.run(10)
    assert store.written == list(counts(0, PORTION))
    store.answer()
    assert len(store.written) == PORTION
    loop.run(PAUSE_SECONDS)
    assert store.written == list(counts(0, PORTION + 3))
    assert len(write_back) == 0
    store.answer()
    loop.run(1)
    assert len(store.written) == PORTION + 3
    assert not loop.waiting


def test_what_was_missed_goes_before_all_that_is_known() -> None:
    loop, store, write_back = make()
    write_back.add_all(counts(10, 10 + PORTION))
    write_back.add(count(1))
    write_back.start()
    loop.run(1)
    assert store.written == [count(1), *counts(10, 9 + PORTION)]
    store.answer()
    write_back.add(count(2))
    loop.run(1)
    assert store.written[PORTION:] == [count(2), count(9 + PORTION)]


def test_what_a_store_that_goes_away_did_not_answer_is_written_again() -> None:
    loop, store, write_back = make()
    write_back.add_all(counts(0, PORTION + 2))
    write_back.start()
    loop.run(1)
    store.answer(StoreError("away"))
    loop.run(10)
    assert len(store.written) == PORTION
    assert len(write_back) == PORTION
    store.written.clear()
    write_back.start()
    loop.run(1)
    store.answer()
    loop.run(1)
    assert store.written == list(counts(0, PORTION + 2))


def test_what_a_store_refuses_is_not_written_again() -> None:
    loop, store, write_back = make()
    write_back.add(count(1))
    write_back.start()
    loop.run(1)
    store.answer(ValueError("WRONGTYPE"))
    loop.run(1)
    assert store.written == [count(1)]
    assert len(write_back) == 0


def test_a_store_that_is_not_there_after_all_is_told_later() -> None:
    loop, store, write_back = make()
    store.is_there = False
    write_back.add(count(1))
    write_back.start()
    loop.run(1)
    assert len(write_back) == 1
    assert not loop.waiting
    store.is_there = True
    write_back.start()
    loop.run(1)
    assert store.written == [count(1)]


def test_of_too_much_the_last_is_kept_until_all_that_is_known_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(write_back_module, "MAX_UNWRITTEN", 2)
    loop, store, write_back = make()
    for item in counts(0, 5):
        write_back.add(item)
    assert write_back.has_dropped
    write_back.add_all(counts(10, 12))
    assert not write_back.has_dropped
    write_back.start()
    loop.run(1)
    assert store.written == [count(3), count(4), count(10), count(11)]


def test_stopped_it_writes_no_more() -> None:
    loop, store, write_back = make()
    write_back.add(count(1))
    write_back.start()
    write_back.stop()
    loop.run(1)
    assert store.written == []
