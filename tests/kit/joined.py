"""Two handlers joined by a connection of one loop."""

from typing import Any

from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket


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
