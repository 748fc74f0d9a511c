"""A server that speaks RESP and answers what a test says."""

from collections.abc import Callable
from typing import Any

import hiredis

from rawserver import RawServer, SingleSocket

OK = b"+OK\r\n"
Words = list[bytes]
# What is sent for a command; None is nothing at all.
Answer = Callable[[Words], bytes | None]


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(data), data)


def array(*items: int | bytes) -> bytes:
    parts = [b":%d\r\n" % item if isinstance(item, int) else bulk(item) for item in items]
    return b"*%d\r\n%s" % (len(parts), b"".join(parts))


class FakeRedis:
    """Listens on a loop. `commands` are those of all connections, `reads` what came at once.

    With `at_a_time` so many bytes of what it says leave in each turn of the loop.
    """

    def __init__(self, raw_server: RawServer, answer: Answer = lambda words: OK) -> None:
        self.raw_server = raw_server
        self.answer = answer
        self.at_a_time = 0
        self.commands: list[Words] = []
        self.reads: list[list[Words]] = []
        self.connections: list[SingleSocket] = []
        self._readers: dict[SingleSocket, Any] = {}
        self._unsaid: dict[SingleSocket, bytearray] = {}
        self.port = 0
        self.listen()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def listen(self) -> None:
        self._socket = self.raw_server.create_serversocket(self.port, "127.0.0.1")
        self.port = self._socket.getsockname()[1]
        self.raw_server.start_listening(self._socket, self)

    def go_away(self) -> None:
        """End all connections and take no more."""
        self.raw_server.stop_listening(self._socket)
        self._socket.close()
        self.hang_up()

    def hang_up(self) -> None:
        for connection in self.connections:
            connection.close()

    def external_connection_made(self, connection: SingleSocket) -> None:
        self.connections.append(connection)
        self._readers[connection] = hiredis.Reader()
        self._unsaid[connection] = bytearray()

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        reader = self._readers[connection]
        reader.feed(data)
        read: list[Words] = []
        while words := reader.gets():
            read.append(words)
            self.commands.append(words)
            self.say(connection, self.answer(words) or b"")
        self.reads.append(read)

    def say(self, connection: SingleSocket, data: bytes) -> None:
        if not self.at_a_time:
            connection.write(data)
            return
        unsaid = self._unsaid[connection]
        if data and not unsaid:
            self.raw_server.add_task(self._drip, 0, (connection,))
        unsaid += data

    def _drip(self, connection: SingleSocket) -> None:
        unsaid = self._unsaid[connection]
        connection.write(bytes(unsaid[: self.at_a_time]))
        del unsaid[: self.at_a_time]
        if unsaid and not connection.lost:
            self.raw_server.add_task(self._drip, 0, (connection,))

    def connection_lost(self, connection: SingleSocket) -> None:
        self.connections.remove(connection)
        del self._readers[connection]
