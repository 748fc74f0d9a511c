"""A loop with a web on it: no sockets, no waiting, and a test says what each URL answers."""

import random
from collections.abc import Callable
from typing import Any

from kit.fake_connection import FakeConnection
from kit.fake_loop import FakeLoop

Answer = bytes | OSError | None


class FakeWeb(FakeLoop):
    """Has what an HTTP client needs of a RawServer, its network's clock and chance included.

    `answer(url)` gives all that the server sends before it closes; None: it never answers, an
    OSError: nobody can be reached.
    """

    def __init__(self, answer: Callable[[str], Answer]) -> None:
        super().__init__()
        self.answer = answer
        self.network = self
        self.random = random.Random(1)

    def time(self) -> float:
        return self.now

    def random_bytes(self, count: int) -> bytes:
        return self.random.randbytes(count)

    def start_connection(self, address: tuple[str, int], handler: Any, context: Any) -> Any:
        connection = FakeConnection(*address)
        connection.handler = handler
        self.add_task(self._serve, 0, (connection,))
        return connection

    def _serve(self, connection: FakeConnection) -> None:
        if connection.lost:
            return
        handler = connection.handler
        handler.connection_made(connection)
        target = bytes(connection.written).split(b" ")[1].decode()
        host = f"[{connection.ip}]" if ":" in connection.ip else connection.ip
        answer = self.answer(f"http://{host}:{connection.port}{target}")
        if isinstance(answer, OSError):
            connection.lost = True
            handler.connection_failed((connection.ip, connection.port), answer)
        elif answer is not None:
            handler.data_came_in(connection, answer)
            connection.lost = True
            handler.connection_lost(connection)
