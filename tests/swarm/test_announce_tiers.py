from math import inf
from random import Random

import pytest

from rawserver.swarm.announce_tiers import (
    DEFAULT_MIN_INTERVAL_SECONDS,
    LONGEST_RETRY_SECONDS,
    SHORTEST_INTERVAL_SECONDS,
    AnnounceTiers,
)


def single_file(*urls: str) -> AnnounceTiers:
    """One tracker a tier, so that the order is known."""
    return AnnounceTiers([[url] for url in urls], Random(1))


def test_without_trackers_there_is_never_an_announce() -> None:
    tiers = AnnounceTiers([[], []], Random(1))
    assert tiers.next_tracker(1e9) is None
    assert tiers.next_announce_at == inf
    assert tiers.current is None


def test_tiers_keep_their_order_and_are_shuffled_within() -> None:
    first, second = [f"a{n}" for n in range(5)], [f"b{n}" for n in range(5)]
    orders = {AnnounceTiers([first, second], Random(seed)).urls for seed in range(20)}
    assert len(orders) > 10
    for order in orders:
        assert sorted(order[:5]) == first
        assert sorted(order[5:]) == second


def test_the_same_seed_gives_the_same_order() -> None:
    urls = [str(number) for number in range(20)]
    assert AnnounceTiers([urls], Random(7)).urls == AnnounceTiers([urls], Random(7)).urls


def test_a_tracker_is_listed_once() -> None:
    assert AnnounceTiers([["a", "a"], ["a", "b"], ["b"]], Random(1)).urls == ("a", "b")


def test_the_first_announce_is_due_at_once_and_then_after_the_interval() -> None:
    tiers = single_file("a", "b")
    assert tiers.next_announce_at <= 100.0
    assert tiers.next_tracker(100.0) == "a"
    tiers.succeeded("a", 1800, None, 100.0)
    assert tiers.current == "a"
    assert tiers.next_announce_at == 1900.0
    assert tiers.next_tracker(1899.9) is None
    assert tiers.next_tracker(1900.0) == "a"


def test_the_next_tracker_is_tried_at_once_when_one_fails() -> None:
    tiers = single_file("a", "b")
    tiers.failed("a", 0.0)
    assert tiers.next_tracker(0.0) == "b"
    tiers.failed("b", 0.0)
    assert tiers.next_tracker(0.0) is None
    assert 11.25 <= tiers.next_announce_at <= 15.0
    assert tiers.next_tracker(tiers.next_announce_at) in {"a", "b"}


def test_a_tracker_that_answers_moves_to_the_front_of_its_own_tier() -> None:
    tiers = AnnounceTiers([["a"], ["b", "c", "d"]], Random(3))
    last = tiers.urls[-1]
    for url in tiers.urls[:-1]:
        tiers.failed(url, 0.0)
    assert tiers.next_tracker(0.0) == last
    tiers.succeeded(last, 60, None, 0.0)
    assert tiers.urls[:2] == ("a", last)


def test_the_first_tier_is_tried_again_at_the_next_announce() -> None:
    tiers = single_file("a", "b")
    tiers.failed("a", 0.0)
    tiers.succeeded("b", 600, None, 0.0)
    assert tiers.next_tracker(600.0) == "a"


def test_failures_make_a_tracker_wait_longer_up_to_half_an_hour() -> None:
    tiers = single_file("a")
    now, waits = 0.0, []
    for _ in range(40):
        tiers.failed("a", now)
        waits.append(tiers.next_announce_at - now)
        now = tiers.next_announce_at
        assert tiers.next_tracker(now) == "a"
    for wait, longest in zip(waits, [15, 30, 60, 120, 240, 480, 960], strict=False):
        assert 0.75 * longest <= wait <= longest
    assert all(0.75 * LONGEST_RETRY_SECONDS <= wait <= LONGEST_RETRY_SECONDS for wait in waits[7:])
    assert len(set(waits[7:])) > 10
    tiers.succeeded("a", 60, None, now)
    tiers.failed("a", now + 60)
    assert tiers.next_announce_at - now - 60 <= 15


def test_a_tracker_that_refuses_says_when_to_come_again() -> None:
    tiers = single_file("a")
    tiers.failed("a", 100.0, 3600)
    assert 3700.0 <= tiers.next_announce_at <= 4060.0
    tiers.failed("a", 5000.0, 0.1)
    assert tiers.next_announce_at >= 5000.0 + SHORTEST_INTERVAL_SECONDS
    # And once it does not say, it is as if it had not said before.
    tiers.failed("a", 6000.0)
    assert 45 <= tiers.next_announce_at - 6000.0 <= 60


def test_a_tracker_that_says_never_is_never_asked_again() -> None:
    tiers = single_file("a", "b")
    tiers.failed("a", 0.0, 0)
    assert tiers.next_tracker(1e9) == "b"
    tiers.failed("b", 0.0, 0)
    assert tiers.next_announce_at == inf
    tiers.announce_now(1e9)
    assert tiers.next_tracker(1e9) is None


def test_a_tracker_that_says_never_does_not_hear_that_we_stop() -> None:
    for retry_in, current in ((60, "a"), (0, None)):
        tiers = single_file("a")
        tiers.succeeded("a", 60, None, 0.0)
        tiers.failed("a", 60.0, retry_in)
        assert tiers.current == current


def test_a_tracker_may_not_ask_to_be_flooded() -> None:
    tiers = single_file("a")
    tiers.succeeded("a", 0, 0, 0.0)
    assert tiers.next_announce_at == SHORTEST_INTERVAL_SECONDS


@pytest.mark.parametrize(
    ("interval", "min_interval", "soonest"),
    [
        (1800, None, DEFAULT_MIN_INTERVAL_SECONDS),
        (1800, 60, 60.0),
        (120, None, 120.0),
        (60, 900, 900.0),
    ],
)
def test_in_a_hurry_the_minimal_interval_counts(
    interval: int, min_interval: int | None, soonest: float
) -> None:
    tiers = single_file("a")
    tiers.succeeded("a", interval, min_interval, 0.0)
    tiers.hurry(1.0)
    assert tiers.next_announce_at == soonest
    tiers.hurry(soonest + 5)
    assert tiers.next_tracker(soonest) == "a"


def test_an_event_is_told_at_once_but_not_to_those_who_failed() -> None:
    tiers = single_file("a", "b")
    tiers.failed("a", 0.0)
    tiers.succeeded("b", 1800, 900, 1.0)
    tiers.announce_now(2.0)
    assert tiers.next_tracker(2.0) == "b"


def test_a_tracker_that_is_none_of_ours_is_a_mistake() -> None:
    tiers = single_file("a")
    with pytest.raises(KeyError):
        tiers.failed("b", 0.0)
    with pytest.raises(KeyError):
        tiers.succeeded("b", 1, 1, 0.0)
