"""The package's front doors: what they promise is there, and what is not asked for is not loaded."""

import subprocess
import sys
from types import ModuleType

import pytest

import rawserver
import rawserver.asyncio
import rawserver.processes
import rawserver.tls


@pytest.mark.parametrize(
    "door",
    [rawserver, rawserver.asyncio, rawserver.processes, rawserver.tls],
    ids=lambda door: door.__name__,
)
def test_everything_that_is_promised_is_there(door: ModuleType) -> None:
    assert sorted(set(door.__all__)) == sorted(door.__all__)
    for name in door.__all__:
        assert hasattr(door, name)


def test_who_does_not_use_them_does_not_load_them() -> None:
    command = "import rawserver, sys; print(*{'asyncio', 'ssl', 'subprocess'} & set(sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert printed == "\n"
