"""Two handlers joined by a connection of one loop."""

from typing import Any

from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RateLimit, RawServer, SingleSocket
from rawserver.engine.tls import TlsClient, TlsServer


def listen(raw_server: RawServer, handler: Any, context: Any = None, **options: Any) -> int:
    """Listen with a handler on loopback; returns the port."""
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")
    raw_server.start_listening(serversocket, handler, context, **options)
    port: int = serversocket.getsockname()[1]
    return port


def free_port(raw_server: RawServer) -> int:
    """Return a port of loopback on which nobody listens."""
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")
    port: int = serversocket.getsockname()[1]
    serversocket.close()
    return port


def join(
    raw_server: RawServer, caller: Recorder, callee: Recorder
) -> tuple[SingleSocket, SingleSocket]:
    """Connect the two; returns the caller's and the callee's end."""
    connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, callee)), caller)
    run_until(raw_server, lambda: callee.connections and connection.connected)
    return connection, callee.connections[-1]


class Joiner:
    """Connects two handlers as `join` does, over TLS or held to a rate that is never reached."""

    RATE = 1e9

    def __init__(self, tls: tuple[TlsServer, TlsClient] | None, *, throttled: bool) -> None:
        self.tls = tls
        self.throttled = throttled

    def listen(self, raw_server: RawServer, handler: Any, context: Any = None) -> int:
        """Listen with a handler on loopback; returns the port."""
        tls = None if self.tls is None else self.tls[0]
        return listen(raw_server, handler, context, tls=tls, rate=self.rate(raw_server))

    def start(
        self, raw_server: RawServer, port: int, handler: Any, context: Any = None
    ) -> SingleSocket:
        """Start a connection to a port of `listen`."""
        tls = None if self.tls is None else self.tls[1]
        connection = raw_server.start_connection(("127.0.0.1", port), handler, context, tls=tls)
        connection.rate = self.rate(raw_server)
        return connection

    def __call__(
        self, raw_server: RawServer, caller: Recorder, callee: Recorder
    ) -> tuple[SingleSocket, SingleSocket]:
        connection = self.start(raw_server, self.listen(raw_server, callee), caller)
        run_until(raw_server, lambda: callee.connections and connection.connected)
        return connection, callee.connections[-1]

    def rate(self, raw_server: RawServer) -> RateLimit | None:
        """Return a limit of its own for a listener or connection, None where it has none."""
        return RateLimit(raw_server, self.RATE, self.RATE) if self.throttled else None
