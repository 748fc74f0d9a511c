import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from rawserver.engine.task import SWEEP_ABOVE, TaskQueue


def nothing() -> None:
    pass


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=200), st.integers(0, 6))
def test_tasks_come_in_order_of_due_time_and_then_of_adding(
    added: list[tuple[int, bool]], now: int
) -> None:
    queue = TaskQueue()
    tasks = [queue.add(due, nothing, (number,), None) for number, (due, _) in enumerate(added)]
    for task, (_, cancel) in zip(tasks, added, strict=True):
        if cancel:
            task.cancel()
    live = sorted((due, n) for n, (due, cancel) in enumerate(added) if not cancel)
    assert len(queue) == len(live)
    assert queue.next_due() == (live[0][0] if live else None)
    taken = [(task.due, task.args[0]) for task in queue.take_due(now)]
    assert taken == [one for one in live if one[0] <= now]
    assert len(queue) == len(live) - len(taken)
    left = live[len(taken) :]
    assert queue.next_due() == (left[0][0] if left else None)


def test_what_is_added_and_cancelled_does_not_pile_up() -> None:
    queue = TaskQueue()
    for _ in range(10_000):
        queue.add(1e9, nothing, (), None).cancel()
    assert len(queue.heap) <= 2 * SWEEP_ABOVE
    assert len(queue) == 0


def test_a_cancelled_task_lets_go_of_what_it_would_have_called() -> None:
    class Big:
        def method(self) -> None: ...

    queue = TaskQueue()
    big = Big()
    gone = weakref.ref(big)
    task = queue.add(1.0, big.method, (big,), None)
    del big
    task.cancel()
    gc.collect()
    assert gone() is None


def test_cancelling_twice_or_after_the_run_counts_once() -> None:
    queue = TaskQueue()
    first, second = queue.add(1.0, nothing, (), None), queue.add(2.0, nothing, (), None)
    first.cancel()
    first.cancel()
    assert len(queue) == 1
    assert queue.take_due(2.0) == [second]
    second.cancel()
    assert len(queue) == 0
    assert queue.next_due() is None


def test_the_end_of_its_context_cancels_a_task() -> None:
    queue = TaskQueue()
    task = queue.add(1.0, nothing, (), "context")
    task.owner = {task: None}
    task.end()
    assert task.cancelled
    assert not task.owner
    assert queue.take_due(5.0) == []
