from dataclasses import fields

from rawserver.services.tracker.counters import Counters, FrontCounters


def test_everything_begins_at_nothing() -> None:
    assert all(getattr(FrontCounters(), field.name) == 0 for field in fields(FrontCounters))


def test_each_front_end_counts_for_itself_and_so_does_each_tracker() -> None:
    counters = Counters()
    counters.http.announces += 1
    assert (counters.http.announces, counters.udp.announces) == (1, 0)
    assert Counters().http.announces == 0


def test_refusals_are_counted_by_the_name_of_what_refused() -> None:
    counters = Counters()
    for refuser in (counters, counters, test_everything_begins_at_nothing):
        counters.note_refusal(refuser)
    assert counters.refused_by == {"Counters": 2, "test_everything_begins_at_nothing": 1}
