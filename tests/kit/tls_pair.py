"""Two layers of TLS over memory, and what stands above them."""

import random
from collections.abc import Callable
from typing import Any

from kit.fake_loop import FakeLoop
from kit.wires import wire_pair
from rawserver.engine.network import READABLE, WRITABLE
from rawserver.engine.tls import TlsSettings
from rawserver.engine.tls_layer import TlsLayer


class End:
    """What stands above a layer: sends its parts, keeps what it gets, one call each time."""

    def __init__(self) -> None:
        self.top: Any = None
        self.outcome: list[BaseException | None] = []
        self.to_send = bytearray()
        self.got = bytearray()
        self.ended = False
        self.error: OSError | None = None
        self.reads = 0
        self.most = 64 * 1024
        self.into = False
        self.paused = False
        self.send: Callable[[bytes], int] | None = None

    def want(self) -> None:
        reading = not (self.paused or self.ended or self.error)
        writing = bool(self.to_send) and not self.error
        self.top.want(READABLE * reading | WRITABLE * writing)

    def ready(self, events: int) -> None:
        if events & READABLE:
            self.read()
        if events & WRITABLE and self.to_send and not self.error:
            self.write()
        self.want()

    def read(self) -> None:
        assert not self.paused
        self.reads += 1
        try:
            if self.into:
                buffer = bytearray(self.most)
                data = bytes(buffer[: self.top.recv_into(buffer)])
            else:
                data = self.top.recv(self.most)
        except BlockingIOError:
            return
        except OSError as error:
            self.error = error
            return
        assert len(data) <= self.most
        self.got += data
        self.ended = not data

    def write(self) -> None:
        try:
            count = (self.send or self.top.send)(bytes(self.to_send))
        except BlockingIOError:
            return
        except OSError as error:
            self.error = error
            return
        del self.to_send[:count]

    def done(self, error: BaseException | None) -> None:
        self.outcome.append(error)
        if error is None:
            self.want()


class Pair:
    """A server and a client, each with its layer over its wire."""

    def __init__(
        self,
        server: TlsSettings,
        client: TlsSettings,
        *,
        host: str | None = "example.org",
        capacity: int = 256 * 1024,
        chance: random.Random | None = None,
    ) -> None:
        self.loop = FakeLoop()
        self.wires = wire_pair(capacity, chance)
        self.ends = End(), End()
        for wire, end, side in zip(self.wires, self.ends, (server, client), strict=True):
            wire.above = end
            end.top = TlsLayer(self.loop, wire, side, server_hostname=host)

    @property
    def server(self) -> End:
        return self.ends[0]

    @property
    def client(self) -> End:
        return self.ends[1]

    def start(self) -> "Pair":
        for end in self.ends:
            end.top.start(end.done)
            assert end.outcome == []  # never from within
        return self

    def turn(self) -> bool:
        busy = bool(self.loop.waiting)
        self.loop.turn()
        for wire in self.wires:
            busy = wire.poll() or busy
        return busy

    def settle(self, most: int = 20_000) -> None:
        """Turn until nothing is left to do: what never rests fails here."""
        for _ in range(most):
            if not self.turn():
                return
        raise AssertionError("it never comes to rest")

    def connect(self) -> "Pair":
        self.start().settle()
        assert [end.outcome for end in self.ends] == [[None], [None]]
        return self


def send(end: End, data: bytes) -> None:
    end.to_send += data
    end.want()


class MemoryFile:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_into(self, buffer: memoryview, offset: int) -> int:
        part = self.data[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        return len(part)
