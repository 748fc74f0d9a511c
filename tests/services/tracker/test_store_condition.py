"""What an operator is told of a store that comes and goes."""

import logging
from typing import Any

from kit.fake_loop import FakeLoop
from rawserver.services.tracker.store_condition import (
    STEADY_SECONDS,
    TROUBLE_SECONDS,
    StoreCondition,
)


class Loop(FakeLoop):
    """A loop with a clock; what is reported to it is a warning."""

    def __init__(self) -> None:
        super().__init__()
        self.network = self

    def time(self) -> float:
        return self.now

    def report(self, level: int, text: str) -> None:
        assert level == logging.WARNING
        self.reported.append(text)


def make() -> tuple[Any, StoreCondition]:
    loop: Any = Loop()
    return loop, StoreCondition(loop, "redis://h:1/0")


def test_at_first_there_is_nothing_to_tell() -> None:
    loop, condition = make()
    condition.is_there()
    loop.run(100)
    assert condition.warning == ""
    assert loop.reported == []


def test_it_is_told_once_that_it_is_away_and_once_that_it_is_back() -> None:
    loop, condition = make()
    condition.is_away("refused")
    condition.is_away("no answer")
    assert condition.warning == "the store redis://h:1/0 is away: no answer"
    assert loop.reported == [
        "the store redis://h:1/0 is away: refused; announces are answered from what is known here"
    ]
    condition.is_there()
    assert condition.warning == ""
    loop.run(STEADY_SECONDS - 1)
    assert len(loop.reported) == 1
    loop.run(1)
    assert loop.reported[1:] == ["the store redis://h:1/0 is back"]
    condition.is_away("again")
    assert len(loop.reported) == 3


def test_one_that_comes_and_goes_is_told_of_once() -> None:
    loop, condition = make()
    for _ in range(20):
        condition.is_away("refused")
        condition.is_there()
        loop.run(STEADY_SECONDS - 1)
    assert len(loop.reported) == 1
    loop.run(1)
    assert len(loop.reported) == 2


def test_trouble_is_told_once_while_it_lasts_and_then_forgotten() -> None:
    loop, condition = make()
    for _ in range(5):
        condition.is_troubled("WRONGTYPE")
        loop.run(TROUBLE_SECONDS / 2)
    assert loop.reported == ["the store redis://h:1/0 is in trouble: WRONGTYPE"]
    assert condition.warning == loop.reported[0]
    condition.is_troubled("OOM")
    assert condition.warning.endswith("OOM")
    loop.run(TROUBLE_SECONDS)
    assert condition.warning == ""
    condition.is_troubled("OOM")
    assert len(loop.reported) == 3


def test_that_it_is_away_goes_before_trouble() -> None:
    _, condition = make()
    condition.is_troubled("WRONGTYPE")
    condition.is_away("refused")
    assert condition.warning.endswith("away: refused")


def test_whoever_wants_to_hear_is_told() -> None:
    loop: Any = Loop()
    told: list[str] = []
    StoreCondition(loop, "s", told.append).is_away("refused")
    assert len(told) == 1
    assert loop.reported == []
