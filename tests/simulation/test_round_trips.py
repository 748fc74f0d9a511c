import pytest

from rawserver.simulation.round_trips import LONGEST_TIMEOUT, RoundTrips


def test_before_the_first_it_is_a_second_and_doubles() -> None:
    trips = RoundTrips()
    assert [trips.timeout(tries) for tries in range(4)] == [1.0, 2.0, 4.0, 8.0]
    assert trips.timeout(30) == LONGEST_TIMEOUT


def test_a_steady_path_has_some_room() -> None:
    trips = RoundTrips()
    for _ in range(200):
        trips.measured(0.05)
    assert trips.smoothed == pytest.approx(0.05)
    assert trips.timeout(0) == pytest.approx(0.25, abs=0.001)


def test_an_unsteady_one_has_more() -> None:
    trips = RoundTrips()
    for number in range(200):
        trips.measured(0.5 if number % 2 else 1.5)
    assert 2.0 < trips.timeout(0) < 4.0
