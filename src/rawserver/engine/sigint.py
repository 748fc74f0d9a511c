"""^C: the first ends things in good order, the second at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType


def handle_sigint(doneflag: threading.Event) -> None:
    """Set the flag at the first SIGINT; raise KeyboardInterrupt at the second."""

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # The flag's own lock may be held by the very code that the signal interrupted.
        threading.Thread(target=doneflag.set, name="rawserver-sigint", daemon=True).start()

    signal.signal(signal.SIGINT, interrupted)
