"""Signals: handled as tasks on the loop; and ^C, whose second ends things at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Hashable
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rawserver.engine.rawserver import RawServer


class SignalHandler:
    """What a signal does on a loop, until `end`, its context's end or the loop's."""

    def __init__(
        self,
        raw_server: RawServer,
        number: int,
        func: Callable[..., object],
        args: tuple[Any, ...],
        context: Hashable,
    ) -> None:
        self._raw_server = raw_server
        self._number = number
        self._func = func
        self._args = args
        self._context = context
        self._ended = False
        raw_server.own(self, context)
        try:
            self._before = signal.signal(number, self._came)
        except (OSError, ValueError):
            raw_server.disown(self, context)
            raise

    def _came(self, number: int, frame: FrameType | None) -> None:
        # This runs between any two steps of the main thread's code. What it calls can be: the
        # mailbox's queue needs no lock, and its wake-up's lock may be taken again by who has it.
        if self._ended:
            self._restore()
            signal.raise_signal(number)
        else:
            self._raw_server.external_add_task(self._func, 0.0, self._args, self._context)

    def end(self) -> None:
        """Have the signal do what it did before; nothing if it has been handled anew since.

        From any thread; but signals' handlers are the main thread's to set, and where it is
        another's call, the signal's old handler is put back when the signal comes.
        """
        if self._ended:
            return
        self._ended = True
        self._raw_server.disown(self, self._context)
        if threading.current_thread() is threading.main_thread():
            self._restore()

    def _restore(self) -> None:
        if signal.getsignal(self._number) == self._came:
            # None: it was set by what is not Python, and cannot be had back.
            signal.signal(self._number, signal.SIG_DFL if self._before is None else self._before)


def handle_signal(
    raw_server: RawServer,
    number: int,
    func: Callable[..., object],
    args: tuple[Any, ...] = (),
    context: Hashable = None,
) -> SignalHandler:
    """Have each signal of a number call `func(*args)` as a task of the loop; `end` undoes it.

    For the main thread (ValueError), wherever the loop runs. OSError or ValueError for a signal
    that cannot be handled, ValueError for a context that is not live. When the context or the
    loop ends, the signal does again what it did before.
    """
    return SignalHandler(raw_server, number, func, args, context)


def handle_sigint(doneflag: threading.Event) -> None:
    """Set the flag at the first SIGINT; raise KeyboardInterrupt at the second.

    Not by way of the loop, which may be held up: that is when ^C is needed most.
    """

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # The flag's own lock may be held by the very code that the signal interrupted.
        threading.Thread(target=doneflag.set, name="rawserver-sigint", daemon=True).start()

    signal.signal(signal.SIGINT, interrupted)
