"""Echo servers of all engines: `python -m bench.engine.servers NAME`.

Each prints "ready PORT" and serves one thread of 127.0.0.1 until it is killed. They differ in
nothing but the engine: TCP_NODELAY (asyncio, uvloop and ours set it by themselves), a backlog of
4096, everything else as the engine has it by default.
"""

import errno
import select
import socket
import sys
from collections.abc import Callable
from typing import Any

ADDRESS = "127.0.0.1"
BACKLOG = 4096
# Larger than any read; asyncio's is of 256 KiB.
ONCE_FREED_BYTES = 1024 * 1024


def ready(port: int) -> None:
    """Tell the measuring process where to connect."""
    # Until a block so large has been freed once, glibc maps memory anew for each read of 128 KiB
    # or more, and asyncio takes 25 us for a message instead of 8. A process that has lived for a
    # while has freed one.
    bytes(ONCE_FREED_BYTES)
    print(f"ready {port}", flush=True)


def listening_socket() -> socket.socket:
    """Return a listening socket, for the engines that take one."""
    sock = socket.create_server((ADDRESS, 0), backlog=BACKLOG)
    sock.setblocking(False)
    return sock


class Echo:
    """A handler that writes what it reads."""

    def external_connection_made(self, connection: Any) -> None:
        pass

    def data_came_in(self, connection: Any, data: bytes) -> None:
        connection.write(data)


class BufferEcho:
    """A handler with its own memory; one for all, as `write` has sent or copied it on return."""

    def __init__(self) -> None:
        self._buffer = bytearray(256 * 1024)
        self._view = memoryview(self._buffer)

    def external_connection_made(self, connection: Any) -> None:
        pass

    def get_buffer(self, connection: Any) -> bytearray:
        return self._buffer

    def buffer_filled(self, connection: Any, count: int) -> None:
        connection.write(self._view[:count])


def serve_rawserver(handler: Any) -> None:
    """Serve with RawServer."""
    from rawserver import RawServer

    server = RawServer()
    sock = server.create_serversocket(0, ADDRESS, backlog=BACKLOG)
    server.start_listening(sock, handler)
    ready(sock.getsockname()[1])
    server.listen_forever()


def serve_asyncio(new_event_loop: Callable[[], Any]) -> None:
    """Serve with a Protocol on a loop of asyncio's interface."""
    import asyncio

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self._transport = transport

        def data_received(self, data: bytes) -> None:
            self._transport.write(data)

    loop = new_event_loop()
    made = loop.create_server(Protocol, ADDRESS, 0, backlog=BACKLOG)
    server = loop.run_until_complete(made)
    ready(server.sockets[0].getsockname()[1])
    loop.run_forever()


def serve_with_asyncio() -> None:
    """Serve with asyncio's own loop."""
    import asyncio

    serve_asyncio(asyncio.new_event_loop)


def serve_with_uvloop() -> None:
    """Serve with uvloop."""
    import uvloop

    serve_asyncio(uvloop.new_event_loop)


def serve_twisted() -> None:
    """Serve with Twisted's default reactor."""
    from twisted.internet import protocol, reactor

    class Protocol(protocol.Protocol):
        def connectionMade(self) -> None:
            self.transport.setTcpNoDelay(True)

        def dataReceived(self, data: bytes) -> None:
            self.transport.write(data)

    factory = protocol.Factory.forProtocol(Protocol)
    factory.noisy = False
    port = reactor.listenTCP(0, factory, backlog=BACKLOG, interface=ADDRESS)
    ready(port.getHost().port)
    reactor.run(installSignalHandlers=False)


def serve_trio() -> None:
    """Serve with trio."""
    import trio

    async def echo(stream: Any) -> None:
        async for data in stream:
            await stream.send_all(data)

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(
                lambda task_status: trio.serve_tcp(
                    echo, 0, host=ADDRESS, backlog=BACKLOG, task_status=task_status
                )
            )
            ready(listeners[0].socket.getsockname()[1])

    trio.run(serve)


class BareLoop:
    """The least that Python can do: an epoll, and a dictionary of sockets."""

    def __init__(self) -> None:
        self._listening = listening_socket()
        self._epoll = select.epoll()
        self._epoll.register(self._listening, select.EPOLLIN)
        self._sockets: dict[int, socket.socket] = {}
        self._waiting: dict[int, bytes] = {}

    def run(self) -> None:
        """Serve."""
        ready(self._listening.getsockname()[1])
        listening = self._listening.fileno()
        sockets, poll = self._sockets, self._epoll.poll
        while True:
            for descriptor, mask in poll():
                if descriptor == listening:
                    self._take()
                elif mask & select.EPOLLOUT:
                    self._go_on(descriptor)
                else:
                    sock, data = sockets[descriptor], b""
                    try:
                        data = sock.recv(65536)
                        sent = sock.send(data) if data else -1
                    except BlockingIOError:
                        sent = 0
                    except OSError:
                        sent = -1
                    if sent < 0:
                        del sockets[descriptor]
                        sock.close()
                    elif sent < len(data):
                        self._waiting[descriptor] = data[sent:]
                        self._epoll.modify(descriptor, select.EPOLLOUT)

    def _take(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets[sock.fileno()] = sock
            self._epoll.register(sock, select.EPOLLIN)

    def _go_on(self, descriptor: int) -> None:
        sock = self._sockets[descriptor]
        data = self._waiting[descriptor]
        try:
            sent = sock.send(data)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return
            self._epoll.unregister(descriptor)
            del self._waiting[descriptor], self._sockets[descriptor]
            sock.close()
            return
        if sent < len(data):
            self._waiting[descriptor] = data[sent:]
        else:
            del self._waiting[descriptor]
            self._epoll.modify(descriptor, select.EPOLLIN)


SERVERS: dict[str, Callable[[], None]] = {
    "rawserver": lambda: serve_rawserver(Echo()),
    "rawserver-buffer": lambda: serve_rawserver(BufferEcho()),
    "asyncio": serve_with_asyncio,
    "uvloop": serve_with_uvloop,
    "twisted": serve_twisted,
    "trio": serve_trio,
    "python-epoll": lambda: BareLoop().run(),
}


if __name__ == "__main__":
    SERVERS[sys.argv[1]]()
