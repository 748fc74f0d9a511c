import pytest

from rawserver.cli.command_error import CommandError, Interrupted, describe


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "a/b"),
            "a/b: No such file or directory",
        ),
        (OSError(98, "Address already in use"), "Address already in use"),
        (OSError("free text"), "free text"),
        (ValueError("what and where"), "what and where"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_is_one_line(error: BaseException, text: str) -> None:
    assert describe(error) == text


def test_exit_codes() -> None:
    assert CommandError("x").exit_code == 1
    assert Interrupted().exit_code == 130
