"""What a descriptor stands for (POSIX: an open file description), as far as pollers see it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rawserver.simulation.kernel import Kernel
    from rawserver.simulation.poller import SimulatedPoller

# Bits of a poller's events, as epoll has them; `network.py` names the first two.
READABLE = 1
WRITABLE = 4
ERROR = 8
HANG_UP = 16


def error_of(code: int) -> OSError:
    """Return what a call of `socket.socket` raises for an errno."""
    return OSError(code, os.strerror(code))


class Description:
    """Has a descriptor from `open` to `close`, and tells pollers when it may be ready."""

    __slots__ = ("descriptor", "kernel", "watchers")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.descriptor = -1
        self.watchers: tuple[SimulatedPoller, ...] = ()

    def poll_events(self) -> int:
        """Return what it is ready for now, and whether it has failed or ended."""
        raise NotImplementedError

    def changed(self) -> None:
        """Tell the pollers that it may be ready for more than before."""
        for watcher in self.watchers:
            watcher.changed(self)

    def fileno(self) -> int:
        """Return the descriptor, -1 when it is closed."""
        return self.descriptor

    def check_open(self) -> None:
        """Raise OSError (EBADF) when it is closed."""
        if self.descriptor < 0:
            raise error_of(errno.EBADF)

    def open(self) -> None:
        """Take the lowest free descriptor; OSError (EMFILE, ENFILE) if there is none."""
        self.kernel.descriptors.open(self)

    def close(self) -> None:
        """Give the descriptor back, and what it stood for; nothing if it is closed."""
        raise NotImplementedError

    def release(self) -> bool:
        """Give the descriptor back; False if there was none."""
        if self.descriptor < 0:
            return False
        for watcher in self.watchers:
            watcher.forget(self)
        self.kernel.descriptors.close(self)
        return True
