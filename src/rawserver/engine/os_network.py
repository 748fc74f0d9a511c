"""The operating system's own network, clock, disk and chance."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import socket
import stat
import sys
import termios
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rawserver.engine.disk import Disk, File
from rawserver.engine.done_flag import DoneFlag
from rawserver.engine.network import DatagramBatches, Poller, Socket, SocketAddress, Wakeup
from rawserver.engine.os_acceptor import os_acceptor
from rawserver.engine.os_disk import OsDisk
from rawserver.engine.os_pipe import PipeSocket
from rawserver.engine.pollers import best_poller
from rawserver.engine.wakeup import SocketWakeup
from rawserver.engine.worker_pool import WorkerPool

if TYPE_CHECKING:
    from rawserver.engine.datagram_batches import BatchMemory

# Hashing fills a core each; a few more than cores would only wait for one another.
MOST_WORKERS = 4
# A name server that does not answer keeps a look-up for half a minute; the others pass it by. On
# the workers' threads it would keep hashing and the disk waiting.
MOST_LOOK_UPS = 8
# An address of TEST-NET-1 (RFC 5737). Nothing is ever sent to it.
SOMEWHERE_ELSE = ("192.0.2.1", 9)
# More than is allocated for one read.
LARGEST_BLOCK = 512 * 1024
# Read at once of a file that the system cannot send by itself; about what a socket takes.
COPIED_AT_ONCE = 64 * 1024


# Linux: SIOCOUTQ, of the same number (tcp(7), unix(7)).
_READ_SEND_QUEUE = termios.TIOCOUTQ if sys.platform == "linux" else None


class OsNetwork:
    """What the machine offers; see `Network`."""

    def __init__(self, num_workers: int | None = None) -> None:
        self.random: random.Random = random.Random(os.urandom(16))
        # glibc gives blocks above 128 KiB back to the system whenever they are freed, until one was
        # freed whole that was larger: then it keeps blocks up to that size. A bulk read is never
        # freed whole, as it is cut to what came, and took five times as long without this.
        bytes(LARGEST_BLOCK)
        self.disk: Disk = OsDisk()
        self._workers = WorkerPool(num_workers or min(MOST_WORKERS, os.cpu_count() or 1))
        self.time = time.monotonic
        self.wall_time = time.time
        self.random_bytes = os.urandom
        self._look_ups = WorkerPool(MOST_LOOK_UPS)
        self.acceptor = os_acceptor
        self.start_work = self._workers.start
        self.start_look_up = self._look_ups.start
        self._batch_memories: dict[int, list[BatchMemory]] = {}

    def make_poller(self) -> Poller:
        return best_poller()

    def make_wakeup(self) -> Wakeup:
        return SocketWakeup()

    def watch(self, doneflag: threading.Event, wakeup: Wakeup) -> Callable[[], None]:
        if isinstance(doneflag, DoneFlag):
            doneflag.watch(wakeup)
            return partial(doneflag.forget, wakeup)
        # Event has no call-back, so a thread waits for it. It sleeps in the kernel meanwhile.
        watching = True

        def wait() -> None:
            doneflag.wait()
            if watching:
                wakeup.wake()

        threading.Thread(target=wait, name="rawserver-doneflag", daemon=True).start()

        def stop() -> None:
            nonlocal watching
            watching = False

        return stop

    def socket(self, family: int, kind: int) -> Socket:
        sock = socket.socket(family, kind)
        sock.setblocking(False)
        return sock

    def datagram_batches(self, sock: Socket) -> DatagramBatches | None:
        try:
            # Here, so that who has no datagram sockets loads no ctypes.
            from rawserver.engine.datagram_batches import datagram_batches
        except ImportError:
            return None  # a Python without ctypes
        return datagram_batches(sock, self._batch_memories)

    def remove_unix_socket(self, path: str) -> None:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
        os.unlink(path)

    def set_unix_socket_mode(self, path: str, mode: int) -> None:
        os.chmod(path, mode)

    def resolve(self, host: str, port: int, kind: int) -> list[SocketAddress]:
        found = socket.getaddrinfo(host, port, type=kind)
        return [SocketAddress(family, address) for family, _, _, _, address in found]

    def sendfile(self, sock: Socket, file: File, offset: int, count: int) -> int:
        if hasattr(os, "sendfile"):
            try:
                descriptor = file.fileno()
            except OSError:
                pass  # it is not the system's: its bytes pass through memory
            else:
                return os.sendfile(sock.fileno(), descriptor, offset, count)
        buffer = memoryview(bytearray(min(count, COPIED_AT_ONCE)))
        return sock.send(buffer[: file.read_into(buffer, offset)])

    def unacknowledged(self, sock: Socket) -> int:
        if isinstance(sock, PipeSocket):
            return sock.unacknowledged()
        if _READ_SEND_QUEUE is None:
            return 0
        answer = fcntl.ioctl(sock.fileno(), _READ_SEND_QUEUE, bytes(4))
        return int.from_bytes(answer, sys.byteorder)

    def primary_address(self) -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect(SOMEWHERE_ELSE)
            except OSError:
                return "127.0.0.1"  # no way out of this machine
            address: str = sock.getsockname()[0]
            return address
