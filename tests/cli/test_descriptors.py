"""The limit of descriptors, in a process of its own: it cannot be undone in this one."""

import resource
import subprocess
import sys

import pytest


def wanted(soft: int, hard: int, count: int) -> list[int]:
    """Return what is told and what is so, in a process with these limits."""
    program = (
        "import resource; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
        "from rawserver.cli.descriptors import want_descriptors; "
        f"print(want_descriptors({count}), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    return [int(word) for word in run.stdout.split()]


@pytest.mark.parametrize(
    ("soft", "hard", "count", "becomes"),
    [(100, 500, 300, 300), (100, 500, 900, 500), (400, 500, 300, 400), (500, 500, 900, 500)],
)
def test_it_becomes_what_is_wanted_and_may_be(
    soft: int, hard: int, count: int, becomes: int
) -> None:
    own_hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if own_hard != resource.RLIM_INFINITY and own_hard < hard:
        pytest.skip("this process may not even have so many")
    assert wanted(soft, hard, count) == [becomes, becomes, hard]
