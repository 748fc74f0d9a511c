import pytest

from rawserver.engine.account import Account
from rawserver.engine.contexts import Contexts


class Thing:
    def __init__(self) -> None:
        self.ended = 0

    def end(self) -> None:
        self.ended += 1


def test_a_context_ends_what_it_owns_and_nothing_else() -> None:
    contexts = Contexts()
    contexts.add("a", Account())
    contexts.add("b", Account())
    mine, disowned, others = Thing(), Thing(), Thing()
    contexts.own(mine, "a")
    contexts.own(disowned, "a")
    contexts.own(others, "b")
    contexts.disown(disowned, "a")
    contexts.end("a")
    assert (mine.ended, disowned.ended, others.ended) == (1, 0, 0)
    assert "a" not in contexts
    assert "b" in contexts


def test_a_context_that_is_not_live_owns_nothing() -> None:
    contexts = Contexts()
    with pytest.raises(ValueError, match="never added"):
        contexts.own(Thing(), "a")
    assert contexts.things("a") is None
    contexts.end("a")
    contexts.disown(Thing(), "a")


def test_a_context_is_added_once() -> None:
    contexts = Contexts()
    contexts.add("a", Account())
    with pytest.raises(ValueError, match="already"):
        contexts.add("a", Account())
    contexts.end("a")
    contexts.add("a", Account())


def test_things_end_in_the_order_in_which_they_came() -> None:
    order: list[int] = []

    class Numbered:
        def __init__(self, number: int) -> None:
            self.number = number

        def end(self) -> None:
            order.append(self.number)

    contexts = Contexts()
    for number in range(5):
        contexts.own(Numbered(number), None)
    contexts.end_all()
    assert order == [0, 1, 2, 3, 4]
    assert None in contexts


def test_what_belongs_to_nobody_cannot_be_ended_as_a_context() -> None:
    contexts = Contexts()
    with pytest.raises(ValueError, match="always live"):
        contexts.end(None)
    assert None in contexts
