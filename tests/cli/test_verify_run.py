import pytest

from rawserver.cli.verify_run import MOST_SHOWN, format_ranges, shorten


@pytest.mark.parametrize(
    ("numbers", "ranges"),
    [([], []), ([3], ["3"]), ([0, 1, 2], ["0-2"]), ([0, 2, 3, 9], ["0", "2-3", "9"])],
)
def test_pieces_are_shown_as_ranges(numbers: list[int], ranges: list[str]) -> None:
    assert format_ranges(numbers) == ranges


def test_a_person_reads_only_so_many() -> None:
    words = [str(n) for n in range(MOST_SHOWN + 1)]
    assert shorten(words[:-1], ", ").endswith(", 19")
    assert shorten(words, ", ").endswith("19, ...")
