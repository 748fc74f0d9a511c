import asyncio
import gc
from collections.abc import Iterator

import pytest

from kit.recorder import Recorder
from rawserver import RawServer
from rawserver.engine.asyncio_runner import EventLoop, new_event_loop, run
from rawserver.engine.asyncio_serving import StreamFunction, serve
from rawserver.engine.asyncio_streams import Stream, connect


@pytest.fixture
def faults() -> list[str]:
    return []


@pytest.fixture
def loop(faults: list[str]) -> Iterator[EventLoop]:
    raw_server = RawServer(errorfunc=lambda level, text: faults.append(text))
    made = new_event_loop(raw_server)
    yield made
    made.close()
    raw_server.close()


class Context:
    """Remembers what went wrong."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.places: list[str] = []

    def got_exception(self, error: BaseException, where: object) -> None:
        self.errors.append(error)
        self.places.append(str(where))


async def call(raw_server: RawServer, func: StreamFunction, context: object = None) -> Stream:
    """Serve with a coroutine function, and connect to it."""
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")
    serve(raw_server, serversocket, func, context)
    return await connect(raw_server, ("127.0.0.1", serversocket.getsockname()[1]))


async def shout(stream: Stream) -> None:
    async for chunk in stream:
        stream.write(chunk.upper())
        await stream.drain()


def test_a_coroutine_serves_each_connection(loop: EventLoop, faults: list[str]) -> None:
    async def main() -> list[bytes]:
        first = await call(loop.raw_server, shout)
        port = first.connection.port
        streams = [first] + [await connect(loop.raw_server, ("127.0.0.1", port)) for _ in range(9)]
        for number, stream in enumerate(streams):
            stream.write(b"hello %d\n" % number)
        lines = [await stream.readline() for stream in streams]
        for stream in streams:
            await stream.close()
        return lines

    lines = loop.run_until_complete(asyncio.wait_for(main(), 20))
    assert lines == [b"HELLO %d\n" % number for number in range(10)]
    assert not faults


def test_what_was_written_is_sent_when_the_coroutine_returns(loop: EventLoop) -> None:
    async def answer(stream: Stream) -> None:
        stream.write(b"x" * 3_000_000)

    async def main() -> int:
        stream = await call(loop.raw_server, answer)
        return sum([len(chunk) async for chunk in stream])

    assert loop.run_until_complete(asyncio.wait_for(main(), 20)) == 3_000_000


def test_a_loss_cancels_the_coroutine(loop: EventLoop, faults: list[str]) -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def wait_for_ever(stream: Stream) -> None:
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            ended.set()

    async def main() -> None:
        stream = await call(loop.raw_server, wait_for_ever)
        await started.wait()
        # Nobody else refers to the coroutine that waits.
        gc.collect()
        assert not ended.is_set()
        loop.raw_server.connections()[1].lose(OSError("the cable"))
        await ended.wait()
        await stream.read(1)

    loop.run_until_complete(asyncio.wait_for(main(), 20))
    assert not faults


def test_its_own_close_does_not_cancel_a_coroutine(loop: EventLoop) -> None:
    after: list[str] = []
    ended = asyncio.Event()

    async def leave_early(stream: Stream) -> None:
        try:
            async with stream:
                stream.write(b"bye")
            await asyncio.sleep(0)
            after.append("did the accounts")
        finally:
            ended.set()

    async def main() -> None:
        stream = await call(loop.raw_server, leave_early)
        assert [chunk async for chunk in stream] == [b"bye"]
        await stream.close()
        await ended.wait()

    loop.run_until_complete(asyncio.wait_for(main(), 20))
    assert after == ["did the accounts"]


def test_an_exception_goes_to_the_context_and_ends_that_connection(
    loop: EventLoop, faults: list[str]
) -> None:
    context = Context()

    async def fail(stream: Stream) -> None:
        await stream.readline()
        raise LookupError("mine")

    async def main() -> None:
        loop.raw_server.add_context(context)
        stream = await call(loop.raw_server, fail, context)
        other = await connect(loop.raw_server, ("127.0.0.1", stream.connection.port))
        stream.write(b"now\n")
        assert await stream.read(1) == b""
        assert not other.ended

    loop.run_until_complete(asyncio.wait_for(main(), 20))
    assert [str(error) for error in context.errors] == ["mine"]
    assert "fail, with 127.0.0.1" in context.places[0]
    assert len(faults) == 1
    assert "LookupError: mine" in faults[0]


@pytest.mark.parametrize("ending", ["incomplete", "too long", "reset"])
def test_what_the_peer_did_is_nobody_elses_business(
    loop: EventLoop, faults: list[str], ending: str
) -> None:
    context = Context()
    served: list[Stream] = []

    async def read_lines(stream: Stream) -> None:
        served.append(stream)
        while True:
            await stream.readuntil(b"\n")

    async def main() -> None:
        loop.raw_server.add_context(context)
        stream = await call(loop.raw_server, read_lines, context)
        stream.write(b"half a line" if ending == "incomplete" else b"x" * 100_000)
        if ending == "incomplete":
            stream.write_eof()
        elif ending == "reset":
            stream.connection.close()
        await stream.read(1)
        while not served or not served[0].connection.lost:
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(main(), 20))
    assert not context.errors
    assert not faults


def test_a_context_ends_its_coroutines(loop: EventLoop, faults: list[str]) -> None:
    context = Context()
    started, ended = asyncio.Event(), asyncio.Event()

    async def wait_for_ever(stream: Stream) -> None:
        started.set()
        try:
            await stream.read(1)
        finally:
            ended.set()

    async def main() -> None:
        loop.raw_server.add_context(context)
        stream = await call(loop.raw_server, wait_for_ever, context)
        await started.wait()
        loop.raw_server.remove_context(context)
        assert await stream.read(1) == b""
        await ended.wait()

    loop.run_until_complete(asyncio.wait_for(main(), 20))
    assert not faults


def test_a_coroutine_is_cancelled_once(loop: EventLoop) -> None:
    context = Context()
    served: list[Stream] = []
    steps: list[str] = []

    async def clean_up_slowly(stream: Stream) -> None:
        served.append(stream)
        try:
            await stream.read(1)
        finally:
            steps.append("begun")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            steps.append("clean")

    async def main() -> None:
        loop.raw_server.add_context(context)
        await call(loop.raw_server, clean_up_slowly, context)
        while not served:
            await asyncio.sleep(0)
        served[0].connection.lose(OSError("the cable"))
        while not steps:
            await asyncio.sleep(0)
        loop.raw_server.remove_context(context)
        while len(steps) < 2:
            await asyncio.sleep(0)

    loop.run_until_complete(asyncio.wait_for(main(), 20))
    assert steps == ["begun", "clean"]


def test_a_context_ends_a_coroutine_whose_connection_is_gone(loop: EventLoop) -> None:
    context = Context()
    left, ended = asyncio.Event(), asyncio.Event()

    async def stay(stream: Stream) -> None:
        await stream.close()
        left.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    async def main() -> None:
        loop.raw_server.add_context(context)
        stream = await call(loop.raw_server, stay, context)
        await stream.close()
        await left.wait()
        loop.raw_server.remove_context(context)
        await ended.wait()

    loop.run_until_complete(asyncio.wait_for(main(), 20))


def test_the_programs_end_lets_coroutines_say_good_bye_and_takes_no_more() -> None:
    reported: list[str] = []
    raw_server = RawServer(errorfunc=lambda level, text: reported.append(text))
    caller = Recorder()

    async def say_good_bye(stream: Stream) -> None:
        stream.write(b"hello\n")
        try:
            await stream.read(1)
        finally:
            # Somebody comes meanwhile.
            raw_server.start_connection(("127.0.0.1", port), caller)
            while not caller.connections:
                await asyncio.sleep(0)
            stream.write(b"good-bye\n")
            await asyncio.sleep(0)

    async def main() -> Stream:
        nonlocal port
        stream = await call(raw_server, say_good_bye)
        port = stream.connection.port
        await stream.readline()
        return stream

    port = 0
    stream = run(main(), raw_server)
    assert stream is not None
    assert bytes(stream._buffer) == b"good-bye\n"
    assert caller.events == ["connection_made", "eof_received", "connection_lost"]
    assert not reported


def test_what_is_no_coroutine_is_reported(loop: EventLoop, faults: list[str]) -> None:
    async def main() -> None:
        stream = await call(loop.raw_server, lambda stream: None)  # type: ignore[arg-type, return-value]
        assert await stream.read(1) == b""

    loop.run_until_complete(asyncio.wait_for(main(), 20))
    assert len(faults) == 1
    assert "TypeError" in faults[0]


def test_serving_needs_the_raw_servers_loop(raw_server: RawServer) -> None:
    serversocket = raw_server.create_serversocket(0, "127.0.0.1")

    async def main() -> None:
        with pytest.raises(RuntimeError, match="does not turn this RawServer"):
            serve(raw_server, serversocket, shout)

    asyncio.run(main())
    serversocket.close()


def test_listening_may_end_while_coroutines_go_on(loop: EventLoop) -> None:
    async def main() -> None:
        serversocket = loop.raw_server.create_serversocket(0, "127.0.0.1")
        address = serversocket.getsockname()
        serve(loop.raw_server, serversocket, shout)
        stream = await connect(loop.raw_server, address)
        stream.write(b"one\n")
        assert await stream.readline() == b"ONE\n"
        loop.raw_server.stop_listening(serversocket)
        serversocket.close()
        with pytest.raises(ConnectionRefusedError):
            await connect(loop.raw_server, address)
        stream.write(b"two\n")
        assert await stream.readline() == b"TWO\n"

    loop.run_until_complete(asyncio.wait_for(main(), 20))
