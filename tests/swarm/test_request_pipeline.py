import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawserver.swarm.request_pipeline import (
    BLOCK_LENGTH_BYTES,
    FIRST_DEPTH,
    MAX_DEPTH,
    MIN_DEPTH,
    RequestPipeline,
)


def settled_at(rate: float) -> RequestPipeline:
    pipeline = RequestPipeline()
    pipeline.tick(rate)
    pipeline.tick(rate)
    return pipeline


def test_it_grows_with_every_block_at_first() -> None:
    pipeline = RequestPipeline()
    for _ in range(5):
        pipeline.received()
    assert pipeline.depth == FIRST_DEPTH + 5


def test_it_reaches_hundreds_within_seven_round_trips() -> None:
    pipeline, outstanding = RequestPipeline(), 0
    for _ in range(7):
        outstanding += pipeline.refill(outstanding)
        for _ in range(outstanding):
            pipeline.received()
        outstanding = 0
    assert pipeline.depth == MAX_DEPTH


def test_it_grows_on_while_the_rate_grows() -> None:
    pipeline = RequestPipeline()
    for rate in (0, 0, 100_000, 200_000, 400_000):
        pipeline.tick(rate)
        before = pipeline.depth
        pipeline.received()
        assert pipeline.depth == before + 1


@pytest.mark.parametrize(
    ("rate", "depth"),
    [
        (1_000, MIN_DEPTH),
        (100_000, 19),
        (1_000_000, 184),
        (1_000_000_000, MAX_DEPTH),
    ],
)
def test_then_it_is_what_comes_in_three_seconds(rate: float, depth: int) -> None:
    pipeline = settled_at(rate)
    pipeline.received()
    assert pipeline.depth == depth


def test_a_peer_that_slowed_down_finds_its_rate_again() -> None:
    pipeline, round_trip, capacity = settled_at(1_000), 0.1, 5_000_000
    for _ in range(4):
        pipeline.tick(min(pipeline.depth * BLOCK_LENGTH_BYTES / round_trip, capacity))
    assert pipeline.depth * BLOCK_LENGTH_BYTES / round_trip > capacity


def test_what_came_in_the_last_second_counts_though_the_average_lags() -> None:
    pipeline = settled_at(1_000)
    for _ in range(100):
        pipeline.received()
    pipeline.tick(163_840)
    assert pipeline.depth == 301
    pipeline.tick(163_840)
    assert pipeline.depth == 31


def test_after_a_long_pause_it_starts_anew() -> None:
    pipeline = settled_at(5_000_000)
    pipeline.tick(0.0)
    assert pipeline.depth == FIRST_DEPTH
    pipeline.received()
    assert pipeline.depth == FIRST_DEPTH + 1


def test_a_snubbed_peer_is_asked_for_one_block() -> None:
    pipeline = settled_at(1_000_000)
    pipeline.snubbed = True
    pipeline.tick(1_000_000)
    pipeline.received()
    assert (pipeline.snubbed, pipeline.depth) == (True, 1)
    assert (pipeline.refill(0), pipeline.refill(1), pipeline.refill(200)) == (1, 0, 0)
    pipeline.snubbed = False
    assert (pipeline.snubbed, pipeline.depth) == (False, FIRST_DEPTH)
    pipeline.received()
    assert pipeline.depth == FIRST_DEPTH + 1


def test_requests_go_out_in_bursts() -> None:
    pipeline = settled_at(500_000)
    assert pipeline.depth == 92
    assert pipeline.refill(92) == 0
    assert pipeline.refill(70) == 0
    assert pipeline.refill(69) == 23
    assert pipeline.refill(0) == 92


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e10), st.booleans()), max_size=80))
def test_it_never_stops_asking_and_never_asks_for_too_much(events: list) -> None:
    pipeline = RequestPipeline()
    for event in events:
        if event is None:
            pipeline.received()
        elif isinstance(event, bool):
            pipeline.snubbed = event
        else:
            pipeline.tick(event)
        assert 1 <= pipeline.depth <= MAX_DEPTH
        assert pipeline.refill(0) == pipeline.depth
        assert pipeline.refill(pipeline.depth) == 0
        assert pipeline.refill(MAX_DEPTH * 2) == 0
