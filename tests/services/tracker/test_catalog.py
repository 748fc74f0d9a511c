"""What a catalogue says of a torrent."""

from rawserver.services.tracker.catalog import Listed


def test_a_listed_torrent_is_served_without_a_word() -> None:
    assert Listed("name", 5) == ("name", 5, "", "")
