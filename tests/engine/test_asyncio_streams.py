import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from kit.joined import free_port, listen
from kit.recorder import Recorder
from rawserver import IdleTimeout, RawServer
from rawserver.engine.asyncio_runner import EventLoop, new_event_loop
from rawserver.engine.asyncio_streams import Stream, connect

MIB = 1024 * 1024


@pytest.fixture
def loop(raw_server: RawServer) -> Iterator[EventLoop]:
    made = new_event_loop(raw_server)
    yield made
    made.close()


@pytest.fixture
def peer() -> Recorder:
    return Recorder()


@pytest.fixture
def with_stream(loop: EventLoop, peer: Recorder) -> Callable[..., Any]:
    """Run a coroutine function with a stream whose other end is `peer`."""

    def use(func: Callable[[Stream], Awaitable[object]], limit: int = 64) -> object:
        async def main() -> object:
            port = listen(loop.raw_server, peer)
            stream = await connect(loop.raw_server, ("127.0.0.1", port), limit=limit)
            await until(lambda: peer.connections)
            return await func(stream)

        return loop.run_until_complete(asyncio.wait_for(main(), 20))

    return use


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something is so."""
    deadline = asyncio.get_running_loop().time() + 20
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.001)


def received(stream: Stream) -> int:
    return len(stream._buffer)


def test_read_gives_what_is_there(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        assert await stream.read(0) == b""
        peer.connection.write(b"hello")
        assert await stream.read(3) == b"hel"
        assert await stream.read(100) == b"lo"
        with pytest.raises(ValueError, match="how much"):
            await stream.read(-1)

    with_stream(use)


def test_the_end_reads_as_nothing_after_what_came(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        peer.connection.write(b"last")
        peer.connection.close_when_flushed()
        assert await stream.readexactly(2) == b"la"
        assert [chunk async for chunk in stream] == [b"st"]
        assert await stream.read(10) == b""
        assert stream.at_eof()
        stream.write(b"we may write on")
        await stream.close()
        await stream.close()

    with_stream(use)


def test_exactly_so_many_bytes_may_be_more_than_the_limit(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        data = bytes(range(256)) * 1024
        peer.connection.write(data)
        assert await stream.readexactly(len(data)) == data
        peer.connection.write(b"half")
        peer.connection.shutdown()
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await stream.readexactly(8)
        assert (caught.value.partial, caught.value.expected) == (b"half", 8)
        with pytest.raises(ValueError, match="negative"):
            await stream.readexactly(-1)

    with_stream(use)


@pytest.mark.parametrize("step", [1, 2, 3, 100])
def test_lines_come_whole_however_they_were_cut(
    with_stream: Any, peer: Recorder, step: int
) -> None:
    text = b"one\r\n\r\ntwo\r\nrest"

    async def send() -> None:
        for start in range(0, len(text), step):
            peer.connection.write(text[start : start + step])
            await asyncio.sleep(0)
        peer.connection.shutdown()

    async def use(stream: Stream) -> None:
        sending = asyncio.create_task(send())
        assert await stream.readuntil(b"\r\n\r\n") == b"one\r\n\r\n"
        assert await stream.readline() == b"two\r\n"
        assert await stream.readline() == b"rest"
        assert await stream.readline() == b""
        await sending

    with_stream(use)


def test_a_separator_that_does_not_come(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        with pytest.raises(ValueError, match="at least one byte"):
            await stream.readuntil(b"")
        peer.connection.write(b"x" * 65)
        with pytest.raises(asyncio.LimitOverrunError) as caught:
            await stream.readline()
        assert await stream.readexactly(caught.value.consumed) == b"x" * 65
        peer.connection.write(b"rest")
        peer.connection.shutdown()
        with pytest.raises(asyncio.IncompleteReadError) as ended:
            await stream.readuntil(b"\n")
        assert ended.value.partial == b"rest"

    with_stream(use)


def test_a_line_that_is_too_long_is_refused_with_its_end_there(
    with_stream: Any, peer: Recorder
) -> None:
    async def use(stream: Stream) -> None:
        peer.connection.write(b"x" * 64 + b"\n" + b"y" * 65 + b"\n")
        assert await stream.readline() == b"x" * 64 + b"\n"
        with pytest.raises(asyncio.LimitOverrunError):
            await stream.readline()

    with_stream(use)


def test_what_nobody_reads_holds_the_peer_back(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        peer.connection.write(b"x" * (32 * MIB))
        await until(lambda: stream._paused)
        most = received(stream)
        assert most < MIB
        for _ in range(20):
            await asyncio.sleep(0)
        assert received(stream) == most
        assert peer.connection.buffered > 0
        total = len(await stream.read(most - 1))
        assert not stream._paused  # it goes on before somebody waits
        while total < 32 * MIB:
            total += len(await stream.read(MIB))
        assert total == 32 * MIB
        assert peer.connection.is_flushed()

    with_stream(use)


def test_what_was_wanted_once_is_not_the_limit_afterwards(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        peer.connection.write(b"x" * (16 * MIB))
        await stream.readexactly(2 * MIB)
        await stream.read(MIB)
        await until(lambda: stream._paused)
        assert received(stream) < MIB

    with_stream(use)


def test_one_coroutine_reads(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        first = asyncio.create_task(stream.read(1))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another coroutine"):
            await stream.read(1)
        first.cancel()
        await asyncio.wait([first])
        peer.connection.write(b"x")
        assert await stream.read(1) == b"x"  # the cancelled one took nothing

    with_stream(use)


def test_drain_waits_for_a_peer_that_does_not_read(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        await stream.drain()
        peer.connection.pause_reading()
        while stream.connection.is_flushed() or stream.connection.buffered <= MIB:
            stream.write(b"x" * MIB)
        waiting = [asyncio.create_task(stream.drain()) for _ in range(2)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        peer.connection.resume_reading()
        await asyncio.gather(*waiting)
        assert stream.connection.is_flushed()

    with_stream(use)


def test_a_reset_wakes_reader_and_writer_with_the_reason(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        peer.connection.pause_reading()
        while stream.connection.buffered <= MIB:
            stream.write(b"x" * MIB)
        tasks = [asyncio.create_task(stream.read(1)), asyncio.create_task(stream.drain())]
        await asyncio.sleep(0)
        peer.connection.close()  # with bytes unread: the system resets it
        for task in tasks:
            with pytest.raises(ConnectionResetError, match="lost") as caught:
                await task
            assert caught.value.__cause__ is stream.connection.error is not None
        stream.write(b"dropped")
        await stream.close()

    with_stream(use)


def test_with_closes_when_everything_is_sent(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        async with stream as same:
            assert same is stream
            stream.write(b"x" * MIB)
        assert stream.connection.lost
        await until(lambda: "connection_lost" in peer.events)
        assert len(peer.data) == MIB

    with_stream(use)


def test_with_does_not_wait_for_the_peer_after_an_error(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        peer.connection.pause_reading()
        while stream.connection.buffered <= MIB:
            stream.write(b"x" * MIB)
        with pytest.raises(LookupError):
            async with stream:
                raise LookupError
        assert not stream.connection.lost
        peer.connection.resume_reading()
        await until(lambda: stream.connection.lost)

    with_stream(use)


def test_a_cancelled_close_is_at_once(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        peer.connection.pause_reading()
        while stream.connection.buffered <= MIB:
            stream.write(b"x" * MIB)
        closing = asyncio.create_task(stream.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert stream.connection.lost

    with_stream(use)


def test_one_side_may_end_first(with_stream: Any, peer: Recorder) -> None:
    peer.on["eof_received"] = lambda connection: connection.write(b"answer") or True

    async def use(stream: Stream) -> None:
        stream.write(b"question")
        stream.write_eof()
        await until(lambda: "eof_received" in peer.events)
        peer.connection.close_when_flushed()
        assert [chunk async for chunk in stream] == [b"answer"]
        assert peer.data == b"question"
        await stream.close()

    with_stream(use)


def test_a_refused_connection_is_an_error(loop: EventLoop) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await connect(loop.raw_server, ("127.0.0.1", free_port(loop.raw_server)))

    loop.run_until_complete(main())


def test_a_cancelled_connect_leaves_nothing(loop: EventLoop, peer: Recorder) -> None:
    async def main() -> None:
        port = listen(loop.raw_server, peer)
        task = asyncio.create_task(connect(loop.raw_server, ("127.0.0.1", port)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        # `connection_failed` is told in the next turn.
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert loop.raw_server.connections() == [one for one in peer.connections if not one.lost]


def test_a_context_that_ends_ends_the_attempt(loop: EventLoop, peer: Recorder) -> None:
    async def main() -> None:
        loop.raw_server.add_context("mine")
        port = listen(loop.raw_server, peer)
        task = asyncio.create_task(connect(loop.raw_server, ("127.0.0.1", port), "mine"))
        await asyncio.sleep(0)
        loop.raw_server.remove_context("mine")
        with pytest.raises(ConnectionAbortedError):
            await task

    loop.run_until_complete(main())


def test_a_limit_is_positive(loop: EventLoop) -> None:
    with pytest.raises(ValueError, match="positive"):
        Stream(loop, 0)


def test_the_reason_of_our_own_side_is_told_too(with_stream: Any, peer: Recorder) -> None:
    async def use(stream: Stream) -> None:
        reading = asyncio.create_task(stream.read(1))
        await asyncio.sleep(0)
        stream.connection.lose(IdleTimeout("nothing passed"))
        with pytest.raises(ConnectionResetError) as caught:
            await reading
        assert isinstance(caught.value.__cause__, IdleTimeout)

    with_stream(use)


def test_a_closed_loop_hears_of_losses_without_harm(raw_server: RawServer, peer: Recorder) -> None:
    loop = new_event_loop(raw_server)
    port = listen(raw_server, peer)
    stream = loop.run_until_complete(connect(raw_server, ("127.0.0.1", port)))
    reading = loop.create_task(stream.read(1))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    raw_server.close()
    assert stream.ended
    assert stream.connection.lost
    assert not reading.done()
    reading._log_destroy_pending = False  # type: ignore[attr-defined]
