"""A RawServer whose work is done strictly in order, so that a test can wait for all of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from kit.loop import run_until
from rawserver import RawServer
from rawserver.engine import OsNetwork


@contextmanager
def one_worker() -> Iterator[RawServer]:
    """Give a RawServer with a single worker thread; its faults fail the test."""
    reported: list[str] = []
    server = RawServer(
        network=OsNetwork(num_workers=1), errorfunc=lambda level, text: reported.append(text)
    )
    yield server
    settle(server)
    server.close()
    assert not reported, "\n".join(reported)


def settle(raw_server: RawServer) -> None:
    """Wait until all work that was started, and what its answers start in turn, has come back."""
    for _ in range(3):
        ended: list[object] = []
        raw_server.start_work(lambda: None, (), lambda *result, ended=ended: ended.append(result))
        run_until(raw_server, lambda ended=ended: ended)
        raw_server.listen_once(0)
