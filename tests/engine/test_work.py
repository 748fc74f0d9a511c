"""What work comes to is told once, on the loop, to the life of the context that asked for it."""

from typing import Any

import pytest

from rawserver.engine.account import Account
from rawserver.engine.contexts import Contexts
from rawserver.engine.work import Done, Work


class Posted:
    """Stands for `external_add_task`, and then for the loop."""

    def __init__(self) -> None:
        self.letters: list[tuple[Any, ...]] = []
        self.contexts = Contexts()

    def post(self, func: Any, delay: float, args: tuple[Any, ...], context: Any) -> None:
        self.letters.append((func, args, context))

    def work(self, func: Any, args: tuple[Any, ...], done: Done | None, context: Any) -> Work:
        return Work(self.post, self.contexts, func, args, done, context)

    def deliver(self) -> None:
        for func, args, _ in self.letters:
            func(*args)


def test_the_result_is_posted_and_not_told_from_where_it_ran() -> None:
    posted, told = Posted(), []
    posted.work(divmod, (7, 2), lambda *outcome: told.append(outcome), None)()
    assert not told
    posted.deliver()
    assert told == [((3, 1), None)]


def test_running_and_telling_may_be_apart() -> None:
    posted, told = Posted(), []
    work = posted.work(divmod, (7, 2), lambda *outcome: told.append(outcome), None)
    outcome = work.run()
    assert outcome == ((3, 1), None)
    assert not posted.letters
    work.tell(*outcome)
    posted.deliver()
    assert told == [outcome]


def test_an_error_is_an_outcome() -> None:
    posted, told = Posted(), []
    posted.work(divmod, (7, 0), lambda *outcome: told.append(outcome), None)()
    posted.deliver()
    [(result, error)] = told
    assert result is None
    assert isinstance(error, ZeroDivisionError)


def test_an_error_that_nobody_takes_is_raised_on_the_loop() -> None:
    posted = Posted()
    posted.work(divmod, (7, 0), None, None)()
    with pytest.raises(ZeroDivisionError):
        posted.deliver()


def test_a_later_life_of_its_context_is_not_told() -> None:
    posted, told = Posted(), []
    posted.contexts.add("mine", Account())
    work = posted.work(divmod, (7, 2), lambda *outcome: told.append(outcome), "mine")
    posted.contexts.end("mine")
    posted.contexts.add("mine", Account())
    work()
    posted.deliver()
    assert [context for _, _, context in posted.letters] == ["mine"]
    assert not told
