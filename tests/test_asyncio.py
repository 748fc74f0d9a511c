import subprocess
import sys

import rawserver.asyncio


def test_everything_that_is_promised_is_there() -> None:
    for name in rawserver.asyncio.__all__:
        assert getattr(rawserver.asyncio, name).__module__.startswith("rawserver.engine.")


def test_who_does_not_use_it_does_not_load_it() -> None:
    command = "import rawserver, sys; print('asyncio' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert printed == "False\n"
