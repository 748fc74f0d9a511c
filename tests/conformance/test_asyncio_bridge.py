"""asyncio's loop on a RawServer keeps the promises to both."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from kit.joined import join, listen
from kit.recorder import Recorder
from kit.system import needs_the_system
from rawserver import Network, RawServer
from rawserver.asyncio import EventLoop, Stream, connect, new_event_loop, run, serve

REASON = "asyncio's loop has sockets of the system to wake it"


@pytest.fixture
def loop(raw_server: RawServer) -> Iterator[EventLoop]:
    needs_the_system(raw_server.network, REASON)
    made = new_event_loop(raw_server)
    yield made
    made.close()


def run_in(loop: EventLoop, main: Any) -> Any:
    return loop.run_until_complete(asyncio.wait_for(main, 20))


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0)


def test_handlers_are_called_by_turns_alone(loop: EventLoop) -> None:
    raw_server = loop.raw_server
    inside: list[bool] = []
    handler = Recorder(
        external_connection_made=lambda connection: inside.append(raw_server.thread is not None),
        connection_lost=lambda connection: inside.append(raw_server.thread is not None),
    )
    caller = Recorder()

    async def main() -> None:
        connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, handler)), caller)
        assert not caller.events
        await until(lambda: caller.connections and handler.connections)
        connection.write(b"x")
        handler.connection.close()
        connection.close()
        assert "connection_lost" not in handler.events + caller.events
        await until(lambda: caller.events[-1] == handler.events[-1] == "connection_lost")

    run_in(loop, main())
    assert inside == [True, True]


def test_tasks_of_both_run_when_they_are_due(loop: EventLoop) -> None:
    order: list[str] = []
    raw_server = loop.raw_server

    async def main() -> None:
        finished = asyncio.Event()
        # Whichever of the two the poll is told, the other's time must bound it.
        raw_server.add_task(order.append, 0.01, ("RawServer 1",))
        loop.call_later(0.02, order.append, "asyncio 2")
        raw_server.add_task(order.append, 0.03, ("RawServer 3",))
        loop.call_later(0.04, order.append, "asyncio 4")
        loop.call_later(0.04, finished.set)
        before = loop.time()
        await finished.wait()
        assert loop.time() - before < 10

    run_in(loop, main())
    assert order == ["RawServer 1", "asyncio 2", "RawServer 3", "asyncio 4"]


def test_a_handler_that_gives_asyncio_something_to_do_is_not_waited_for(loop: EventLoop) -> None:
    answered = loop.create_future()

    async def main() -> float:
        before = loop.time()
        loop.call_later(19, answered.cancel)  # what asyncio would wait for
        loop.raw_server.add_task(answered.set_result, 0.0, (None,))
        await answered
        return loop.time() - before

    assert run_in(loop, main()) < 10


def test_neither_starves_the_other(loop: EventLoop) -> None:
    raw_server = loop.raw_server
    turns = {"asyncio": 0, "RawServer": 0}

    def again_in_asyncio() -> None:
        turns["asyncio"] += 1
        loop.call_soon(again_in_asyncio)

    def again_in_raw_server() -> None:
        turns["RawServer"] += 1
        raw_server.add_task(again_in_raw_server)

    async def main() -> None:
        again_in_asyncio()
        again_in_raw_server()
        stream = await connect(raw_server, ("127.0.0.1", listen(raw_server, Recorder())))
        await stream.close()
        await until(lambda: min(turns.values()) > 100)

    run_in(loop, main())


def test_threads_wake_both(loop: EventLoop) -> None:
    told: list[str] = []
    heard = asyncio.Event()

    def tell() -> None:
        loop.raw_server.external_add_task(told.append, args=("RawServer",))
        loop.call_soon_threadsafe(heard.set)

    async def main() -> None:
        thread = threading.Thread(target=tell)
        thread.start()
        await heard.wait()
        await until(lambda: told)
        thread.join()

    run_in(loop, main())


def test_asyncios_own_connections_and_ours_share_a_turn(loop: EventLoop) -> None:
    raw_server = loop.raw_server
    handler = Recorder(data_came_in=lambda connection: connection.write(b"from a handler\n"))

    async def main() -> list[bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", listen(raw_server, handler))

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"from asyncio: " + await reader.readline())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            stream = await connect(raw_server, server.sockets[0].getsockname())
            stream.write(b"hello\n")
            writer.write(b"hello\n")
            lines = [await stream.readline(), await reader.readline()]
            writer.close()
            await writer.wait_closed()
            await stream.close()
        return lines

    assert run_in(loop, main()) == [b"from asyncio: hello\n", b"from a handler\n"]


def test_a_megabyte_each_way_through_coroutines(loop: EventLoop) -> None:
    data = bytes(range(256)) * 4096

    async def echo(stream: Stream) -> None:
        async for chunk in stream:
            stream.write(chunk)
            await stream.drain()

    async def main() -> bytes:
        serversocket = loop.raw_server.create_serversocket(0, "127.0.0.1")
        serve(loop.raw_server, serversocket, echo)
        async with await connect(loop.raw_server, serversocket.getsockname()) as stream:
            stream.write(data)
            stream.write_eof()
            return b"".join([chunk async for chunk in stream])

    assert run_in(loop, main()) == data


def test_a_loop_may_begin_when_the_raw_server_is_at_work(raw_server: RawServer) -> None:
    needs_the_system(raw_server.network, REASON)
    caller, callee = Recorder(), Recorder()
    connection, _ = join(raw_server, caller, callee)
    loop = new_event_loop(raw_server)
    connection.write(b"x")
    run_in(loop, until(lambda: callee.data == b"x"))
    loop.close()


def test_done_ends_all_in_good_order(network: Network) -> None:
    needs_the_system(network, REASON)
    raw_server = RawServer(network=network)
    caller = Recorder()
    steps: list[str] = []

    async def wait_for_ever(stream: Stream) -> None:
        try:
            await stream.read(1)
        finally:
            steps.append("served coroutine")

    async def main() -> None:
        serversocket = raw_server.create_serversocket(0, "127.0.0.1")
        serve(raw_server, serversocket, wait_for_ever)
        raw_server.start_connection(serversocket.getsockname(), caller)
        try:
            await until(lambda: caller.connections)
            raw_server.doneflag.set()
            await asyncio.Event().wait()
        finally:
            steps.append("main coroutine")

    run(main(), raw_server)
    assert steps == ["main coroutine", "served coroutine"]
    assert caller.events[-1] == "connection_lost"
    assert caller.events.count("connection_lost") == 1


def test_nothing_is_left_of_connections_that_ended(loop: EventLoop) -> None:
    left: list[weakref.ref[Any]] = []

    async def hang_up(stream: Stream) -> None:
        left.append(weakref.ref(stream))
        await stream.read(1)

    async def main() -> None:
        serversocket = loop.raw_server.create_serversocket(0, "127.0.0.1")
        serve(loop.raw_server, serversocket, hang_up)
        for _ in range(20):
            stream = await connect(loop.raw_server, serversocket.getsockname())
            left.append(weakref.ref(stream))
            stream.write(b"x")
            await stream.close()
        await until(lambda: not loop.raw_server.connections() and len(left) == 40)
        await asyncio.sleep(0)

    run_in(loop, main())
    gc.collect()
    assert [one for one in left if one() is not None] == []
