"""An outcome goes through JSON, and failures are compared."""

import json

import pytest

from rawserver.simulation.outcome import Outcome, describe_error, outcome_of, place_of
from rawserver.simulation.world import World


def failed(error: str = "ValueError: 1", where: str = "a.py:3, in f") -> Outcome:
    return Outcome(5, False, error, where)


def test_it_goes_through_json_unchanged() -> None:
    one = Outcome(
        seed=3,
        passed=False,
        error="ValueError: x",
        last=("a", "b"),
        handler_faults=("c",),
        faults=("d", "e"),
        kept=(1,),
        result={"peers": [1, 2]},
        result_lines=("f",),
    )
    assert outcome_of(json.loads(json.dumps(one.as_dict()))) == one


def test_failures_are_alike_by_kind_and_place() -> None:
    assert failed().is_like(failed("ValueError: 2"))
    assert not failed().is_like(failed("KeyError: 1"))
    assert not failed().is_like(failed(where="a.py:4, in f"))
    assert not failed().is_like(Outcome(5, True))
    assert not Outcome(5, True).is_like(Outcome(5, True))


def test_of_planned_faults_those_happened_that_were_kept() -> None:
    assert Outcome(1, True, faults=("a", "b")).happened() == [(0, "a"), (1, "b")]
    assert Outcome(1, True, faults=("a", "b"), kept=(1,)).happened() == [(1, "b")]
    assert Outcome(1, True, faults=("a", "b"), kept=()).happened() == []


def test_an_error_is_one_line_and_a_bare_assert_its_source() -> None:
    assert describe_error(ValueError("one\ntwo")) == "ValueError: one two"
    assert describe_error(KeyError()) == "KeyError"
    assert describe_error(AssertionError()) == "AssertionError"
    with pytest.raises(AssertionError) as raised:
        exec(compile("assert False", __file__, "exec"))
    # A file's own first line, for the code that was compiled has none.
    assert describe_error(raised.value).startswith('AssertionError: """An outcome goes')


def test_the_place_is_that_which_raised() -> None:
    with pytest.raises(ValueError, match="1") as raised:
        exec(compile("raise ValueError(1)", "there.py", "exec"))
    assert place_of(raised.value) == "there.py:1, in <module>"


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert place_of(ValueError()) == ""


def test_the_place_is_in_their_file_even_if_ours_raised() -> None:
    with pytest.raises(KeyError) as raised:
        World().names["nobody.example"]
    assert place_of(raised.value).startswith(__file__)
