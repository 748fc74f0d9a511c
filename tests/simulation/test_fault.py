import pytest

from rawserver.simulation.fault import Fault, from_json, to_json

FAULTS = [
    Fault(0.5, 2.25, "loss", {"hosts": ["a", "b"], "probability": 0.2}),
    Fault(3.0, 0.0, "crash", {"host": "a", "silent": True}),
]


def test_faults_are_a_text_and_back() -> None:
    assert from_json(to_json(FAULTS)) == FAULTS


@pytest.mark.parametrize("text", ["", "[1]", "[{}]", '[{"at": "x"}]'])
def test_another_text_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        from_json(text)


def test_a_fault_as_people_read_it() -> None:
    assert str(FAULTS[0]) == "0.500 loss for 2.250 s: hosts ['a', 'b'], probability 0.2"
