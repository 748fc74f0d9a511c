"""What a gate raises."""

from rawserver.services.tracker.gate import Refused


def test_a_refusal_says_why_and_when_to_come_back() -> None:
    refusal = Refused("too soon", retry_in=30)
    assert (str(refusal), refusal.retry_in) == ("too soon", 30)
    assert Refused("never mind").retry_in is None
