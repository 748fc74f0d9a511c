"""An HTTP service of aiohttp beside an echo handler: one thread, one poller.

Run it with `python examples/asyncio_beside_handler.py [HTTP_PORT [ECHO_PORT]]`, ask it with
`curl http://127.0.0.1:8080/` and `nc 127.0.0.1 8081`, and stop it with ^C.
"""

import asyncio
import sys

from aiohttp import web

import rawserver.asyncio
from rawserver import RawServer, SingleSocket


class Echo:
    """Sends back what comes in, and counts it."""

    def __init__(self) -> None:
        self.count = 0

    def external_connection_made(self, connection: SingleSocket) -> None:
        pass

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        self.count += len(data)
        if not connection.write(data):
            connection.pause_reading()  # who does not read is not read from

    def connection_flushed(self, connection: SingleSocket) -> None:
        connection.resume_reading()


async def main(raw_server: RawServer, http_port: int, echo_port: int) -> None:
    echo = Echo()
    serversocket = raw_server.create_serversocket(echo_port, "127.0.0.1")
    raw_server.start_listening(serversocket, echo)

    async def show(request: web.Request) -> web.Response:
        return web.json_response({"bytes echoed": echo.count})

    service = web.Application()
    service.router.add_get("/", show)
    runner = web.AppRunner(service)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", http_port).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
        print(f"echo on port {serversocket.getsockname()[1]}", flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    ports = [int(argument) for argument in sys.argv[1:]] + [8080, 8081][len(sys.argv) - 1 :]
    server = RawServer()
    server.install_sigint_handler()
    rawserver.asyncio.run(main(server, *ports), server)
