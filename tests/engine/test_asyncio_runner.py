import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from kit.joined import listen
from kit.recorder import Recorder
from rawserver import RawServer
from rawserver.engine.asyncio_runner import EventLoop, new_event_loop, run, running_loop


@pytest.fixture
def loop(raw_server: RawServer) -> Iterator[EventLoop]:
    made = new_event_loop(raw_server)
    yield made
    made.close()


class Closing:
    """A handler whose connections tell when they are lost."""

    def __init__(self) -> None:
        self.made = asyncio.Event()
        self.lost = 0

    def external_connection_made(self, connection: object) -> None:
        self.made.set()

    def connection_lost(self, connection: object) -> None:
        self.lost += 1


def test_the_coroutines_result_is_returned_and_everything_is_closed() -> None:
    raw_server = RawServer()
    handler = Closing()

    async def main() -> int:
        port = listen(raw_server, handler)
        raw_server.start_connection(("127.0.0.1", port), Recorder())
        await handler.made.wait()
        return 7

    assert run(main(), raw_server) == 7
    assert handler.lost == 1
    with pytest.raises(RuntimeError, match="ended"):
        raw_server.listen_once(0)


def test_a_raw_server_of_its_own_will_do() -> None:
    async def main() -> bool:
        return running_loop(asyncio.get_running_loop().raw_server).is_running()  # type: ignore[attr-defined]

    assert run(main()) is True


def test_an_error_of_the_coroutine_is_raised_and_everything_is_closed() -> None:
    raw_server = RawServer()

    async def main() -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run(main(), raw_server)
    with pytest.raises(RuntimeError, match="ended"):
        raw_server.listen_once(0)


def test_a_done_flag_set_by_a_thread_cancels_the_coroutine() -> None:
    raw_server = RawServer()
    steps: list[str] = []
    started = threading.Event()

    async def main() -> str:
        started.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            steps.append("said good-bye")
        return "never"

    def stop() -> None:
        started.wait(20)
        raw_server.doneflag.set()

    thread = threading.Thread(target=stop)
    thread.start()
    assert run(main(), raw_server) is None
    thread.join()
    assert steps == ["said good-bye"]


def test_a_done_flag_that_is_set_before_cancels_at_once() -> None:
    raw_server = RawServer()
    raw_server.doneflag.set()

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    assert run(main(), raw_server) is None


def test_a_coroutine_that_cancels_itself_is_not_mistaken_for_done() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        run(main())


def test_other_tasks_are_cancelled_while_the_raw_server_turns() -> None:
    raw_server = RawServer()
    steps: list[str] = []

    async def other() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            turned = asyncio.Event()
            raw_server.add_task(turned.set)
            await turned.wait()
            steps.append("turned")

    async def main() -> None:
        task = asyncio.create_task(other())
        await asyncio.sleep(0)
        assert not task.done()

    run(main(), raw_server)
    assert steps == ["turned"]


def test_ctrl_c_is_asyncios_own() -> None:
    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(KeyboardInterrupt):
        run(main())


def test_ctrl_c_is_the_done_flag_where_that_was_asked_for() -> None:
    raw_server = RawServer()

    async def main() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.get_running_loop().create_future()

    before = signal.getsignal(signal.SIGINT)
    try:
        raw_server.install_sigint_handler()
        assert run(main(), raw_server) is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_only_a_coroutine_is_run() -> None:
    with pytest.raises(ValueError, match="a coroutine was expected"):
        run(len)  # type: ignore[arg-type]


def test_a_running_loop_is_not_nested() -> None:
    async def inner() -> None:
        raise AssertionError

    async def main() -> None:
        with pytest.raises(RuntimeError, match="running event loop"):
            run(inner())

    run(main())


def test_the_loop_of_another_raw_server_is_refused(loop: EventLoop) -> None:
    stranger = RawServer()

    async def main() -> None:
        assert running_loop(loop.raw_server) is loop
        with pytest.raises(RuntimeError, match="does not turn this RawServer"):
            running_loop(stranger)

    loop.run_until_complete(main())
    stranger.close()


def test_the_clock_is_the_networks(loop: EventLoop) -> None:
    loop._network_time = lambda: 12345.0
    assert loop.time() == 12345.0


def test_closing_the_loop_leaves_the_raw_server(raw_server: RawServer) -> None:
    for _ in range(2):
        loop = new_event_loop(raw_server)
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    ran: list[int] = []
    raw_server.add_task(ran.append, 0.0, (1,))
    raw_server.listen_once(0)
    assert ran == [1]


def test_a_handler_may_call_the_loop_and_a_coroutine_the_raw_server(loop: EventLoop) -> None:
    raw_server = loop.raw_server
    answer: asyncio.Future[bytes] = loop.create_future()
    handler = Recorder(data_came_in=lambda connection: connection.write(bytes(handler.data)))
    caller = Recorder(data_came_in=lambda connection: answer.set_result(bytes(caller.data)))

    async def main() -> bytes:
        connection = raw_server.start_connection(("127.0.0.1", listen(raw_server, handler)), caller)
        connection.write(b"hello")
        return await asyncio.wait_for(answer, 20)

    assert loop.run_until_complete(main()) == b"hello"
