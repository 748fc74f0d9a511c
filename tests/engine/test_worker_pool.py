import gc
import threading
import weakref
from functools import partial

import pytest

from rawserver.engine.worker_pool import WorkerPool

DEADLINE_SECONDS = 10.0


def test_one_thread_runs_work_in_the_order_in_which_it_was_started() -> None:
    pool = WorkerPool(1)
    order: list[int] = []
    done = threading.Event()
    for number in range(100):
        pool.start(partial(order.append, number))
    pool.start(done.set)
    assert done.wait(DEADLINE_SECONDS)
    assert order == list(range(100))


def test_no_more_threads_than_were_allowed_and_all_of_those() -> None:
    pool = WorkerPool(3)
    gate = threading.Barrier(4)
    threads: set[int] = set()

    def work() -> None:
        threads.add(threading.get_ident())
        gate.wait(DEADLINE_SECONDS)

    for _ in range(3):
        pool.start(work)
    gate.wait(DEADLINE_SECONDS)
    assert len(threads) == 3
    for _ in range(3):
        pool.start(work)
    gate.wait(DEADLINE_SECONDS)
    assert len(threads) <= 3


def test_where_no_thread_can_be_had_who_asks_is_told_and_the_next_may_be_lucky(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = WorkerPool(2)
    ran: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError, match="start new thread"):
            pool.start(partial(ran.append, 1))
    gate, begun, done = threading.Event(), threading.Event(), threading.Event()
    pool.start(lambda: (begun.set(), gate.wait(DEADLINE_SECONDS)))
    assert begun.wait(DEADLINE_SECONDS)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        pool.start(done.set)
    gate.set()
    assert done.wait(DEADLINE_SECONDS)
    assert not ran


def test_a_waiting_thread_keeps_nothing_alive() -> None:
    class Work:
        def __init__(self) -> None:
            self.done = threading.Event()

        def __call__(self) -> None:
            self.done.set()

    pool = WorkerPool(1)
    work = Work()
    done, gone = work.done, weakref.ref(work)
    pool.start(work)
    del work
    assert done.wait(DEADLINE_SECONDS)
    again = threading.Event()
    pool.start(again.set)
    assert again.wait(DEADLINE_SECONDS)
    gc.collect()
    assert gone() is None
