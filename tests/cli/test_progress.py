import pytest

from rawserver.cli.progress import WorkProgress, progress_line


def test_the_line_says_how_far_how_fast_and_how_long() -> None:
    line = progress_line("getting", 512, 2048, 256.0, 6.0, 100, "3 peers")
    assert line == (
        "getting  [#######-----------------------]   25.0 %  512 B of 2.0 KiB  256 B/s"
        "  0:06 left  3 peers"
    )


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_the_line_fits(width: int) -> None:
    assert len(progress_line("hashing", 1, 3 << 30, 1e6, 99.0, width)) <= width


def test_nothing_to_do_is_done() -> None:
    assert "100.0 %" in progress_line("hashing", 0, 0, 0.0, None, 80)


def test_more_than_all_is_all() -> None:
    assert "100.0 %" in progress_line("hashing", 11, 10, 0.0, None, 80)


def test_work_knows_its_rate_and_the_time_left() -> None:
    progress = WorkProgress("hashing", 100.0)
    assert "1.0 KiB/s  0:03 left" in progress.line(2048, 5120, 102.0, 100)
    assert "left" not in progress.line(0, 5120, 100.0, 100)
