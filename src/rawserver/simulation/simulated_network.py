"""The `Network` of a simulated host: what RawServer runs on there."""

from __future__ import annotations

import errno
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rawserver.engine.acceptor import acceptor
from rawserver.engine.disk import Disk, File
from rawserver.engine.done_flag import DoneFlag
from rawserver.engine.network import DatagramBatches, Socket, SocketAddress, Wakeup
from rawserver.simulation.datagram_socket import DatagramSocket, SimulatedBatches
from rawserver.simulation.description import error_of
from rawserver.simulation.poller import SimulatedPoller
from rawserver.simulation.wakeup import SimulatedWakeup
from rawserver.simulation.workers import NUM_LOOK_UPS, SimulatedWorkers

if TYPE_CHECKING:
    from rawserver.simulation.host import Host

# Read at once of a file that is sent.
SENT_AT_ONCE = 64 * 1024
# A plain event has nobody to tell, so it is looked at so often.
LOOK_AT_FLAG_SECONDS = 0.01


class SimulatedNetwork:
    """What one process on a host has of its machine and of the net."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._kernel = host.kernel
        self._world = host.world
        self.random: random.Random = random.Random(host.random.random())
        self.disk: Disk = host.disk
        self.time = host.clock.time
        self.wall_time = host.clock.wall_time
        self.random_bytes = self.random.randbytes
        self.workers = SimulatedWorkers(host.world.schedule, host.meter)
        self.look_ups = SimulatedWorkers(host.world.schedule, host.meter, NUM_LOOK_UPS)
        self.start_work = self.workers.start
        self.start_look_up = self.look_ups.start
        self.socket = self._kernel.socket
        self.acceptor = acceptor

    def make_poller(self) -> SimulatedPoller:
        """Return a poller of its own for one RawServer."""
        return SimulatedPoller(self._kernel)

    def make_wakeup(self) -> SimulatedWakeup:
        """Return a wake-up to register with a poller."""
        return SimulatedWakeup(self._kernel)

    def watch(self, doneflag: threading.Event, wakeup: Wakeup) -> Callable[[], None]:
        """Wake when the flag is set; returns what ends the watching."""
        if isinstance(doneflag, DoneFlag):
            doneflag.watch(wakeup)
            return partial(doneflag.forget, wakeup)
        watching = True

        def look() -> None:
            if watching and doneflag.is_set():
                wakeup.wake()
            elif watching:
                self._world.schedule(LOOK_AT_FLAG_SECONDS, look)

        def stop() -> None:
            nonlocal watching
            watching = False

        look()
        return stop

    def datagram_batches(self, sock: Any) -> DatagramBatches | None:
        """Return what handles a socket's datagrams by the batch."""
        return SimulatedBatches(sock) if isinstance(sock, DatagramSocket) else None

    def remove_unix_socket(self, path: str) -> None:
        """Remove a Unix socket's file; OSError (EADDRINUSE) if it is one of another kind."""
        names = self._host.unix_names
        if path not in names:
            is_there = self._host.disk.status(path) is not None
            raise error_of(errno.EADDRINUSE if is_there else errno.ENOENT)
        del names[path]

    def set_unix_socket_mode(self, path: str, mode: int) -> None:
        """Check that the file is there: all programs of a host may connect to it anyhow."""
        if path not in self._host.unix_names:
            raise error_of(errno.ENOENT)

    def resolve(self, host: str, port: int, kind: int) -> list[SocketAddress]:
        """Look a name up; OSError if it has no address."""
        return self._host.resolver.resolve(host, port, kind)

    def sendfile(self, sock: Socket, file: File, offset: int, count: int) -> int:
        """Send a part of a file; returns the bytes taken, 0 at the file's end."""
        buffer = memoryview(bytearray(min(count, SENT_AT_ONCE)))
        return sock.send(buffer[: file.read_into(buffer, offset)])

    def unacknowledged(self, sock: Any) -> int:
        """Count the bytes that a stream socket took and its peer's system has not received."""
        unacknowledged: int = sock.unacknowledged
        return unacknowledged

    def primary_address(self) -> str:
        """Return the address at which other machines of the network reach this one."""
        return next((ip for ip in self._host.addresses if ":" not in ip), "127.0.0.1")
