import signal
import threading

import pytest

from rawserver.engine.sigint import handle_sigint

DEADLINE_SECONDS = 10.0


def test_the_first_sets_the_flag_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    doneflag = threading.Event()
    try:
        handle_sigint(doneflag)
        assert not doneflag.is_set()
        signal.raise_signal(signal.SIGINT)
        assert doneflag.wait(DEADLINE_SECONDS)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_flag_may_be_in_use_by_what_the_signal_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    doneflag = threading.Event()
    try:
        handle_sigint(doneflag)
        with doneflag._cond:  # what `wait` and `set` hold
            signal.raise_signal(signal.SIGINT)
        assert doneflag.wait(DEADLINE_SECONDS)
    finally:
        signal.signal(signal.SIGINT, before)
