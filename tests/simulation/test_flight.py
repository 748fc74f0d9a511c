from rawserver.simulation.flight import Flight, find_lost, note_sacked, on_their_way
from rawserver.simulation.packet import DATA


def flights_of(count: int, size: int = 100) -> list[Flight]:
    """Packets that were sent one after the other."""
    return [Flight(DATA, n * size, (n + 1) * size, bytes(size), float(n)) for n in range(count)]


def lost_of(flights: list[Flight]) -> list[int]:
    return [n for n, flight in enumerate(flights) if flight.is_lost]


def test_only_what_is_told_of_whole_is_there() -> None:
    flights = flights_of(4)
    note_sacked(flights, [(100, 250), (300, 400)])
    assert [flight.is_sacked for flight in flights] == [False, True, False, True]
    assert on_their_way(flights) == 200


def test_what_is_there_after_all_is_not_lost() -> None:
    flights = flights_of(2)
    flights[1].is_lost = True
    note_sacked(flights, [(100, 200)])
    assert flights[1].is_sacked
    assert not flights[1].is_lost


def test_three_segments_beyond_it_say_that_it_is_lost() -> None:
    flights = flights_of(6)
    note_sacked(flights, [(200, 400)])
    assert not find_lost(flights, 100)
    note_sacked(flights, [(200, 500)])
    assert find_lost(flights, 100)
    assert lost_of(flights) == [0, 1]
    assert not find_lost(flights, 100)


def test_a_burst_counts_as_its_segments() -> None:
    flights = flights_of(2, 1200)
    note_sacked(flights, [(1200, 2400)])
    assert find_lost(flights, 100)
    assert lost_of(flights) == [0]


def test_small_packets_count_as_well() -> None:
    flights = flights_of(6)
    note_sacked(flights, [(200, 400)])
    assert not find_lost(flights, 1448)
    note_sacked(flights, [(200, 500)])
    assert find_lost(flights, 1448)


def test_of_few_all_but_the_first_suffice() -> None:
    flights = flights_of(3)
    note_sacked(flights, [(200, 300)])
    assert not find_lost(flights, 100)
    note_sacked(flights, [(100, 300)])
    assert find_lost(flights, 100)


def test_nothing_beyond_it_is_no_loss() -> None:
    assert not find_lost(flights_of(1), 100)
    assert not find_lost(flights_of(5), 100)


def test_it_is_lost_again_when_something_is_there_that_left_later() -> None:
    flights = flights_of(6)
    note_sacked(flights, [(100, 400)])
    first = flights[0]
    first.again, first.sent_at = True, 4.5
    assert not find_lost(flights, 100)
    note_sacked(flights, [(100, 600)])
    assert find_lost(flights, 100)
