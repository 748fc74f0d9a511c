"""Tasks run by (due time, order added); nobody starves anybody."""

import threading
from pathlib import Path

from kit.files import opened
from kit.joined import join
from kit.loop import run_until
from kit.recorder import Recorder
from kit.system import needs_the_system
from rawserver import Config, Network, RawServer, SingleSocket


def test_tasks_run_in_order_of_due_time_and_then_of_adding(raw_server: RawServer) -> None:
    order: list[str] = []
    for name, delay in (("d", 0.03), ("b", 0.01), ("c", 0.02), ("a", 0.0), ("a2", 0.0)):
        raw_server.add_task(order.append, delay, (name,))
    run_until(raw_server, lambda: len(order) == 5)
    assert order == ["a", "a2", "b", "c", "d"]


def test_those_due_at_one_time_run_as_added(raw_server: RawServer) -> None:
    order: list[int] = []
    for number in range(100):
        raw_server.add_task(order.append, 0.0, (number,))
    raw_server.listen_once(0.0)
    assert order == list(range(100))


def test_a_task_is_not_early(raw_server: RawServer) -> None:
    time = raw_server.network.time
    due = time() + 0.02
    ran: list[float] = []
    raw_server.add_task(lambda: ran.append(time()), 0.02)
    run_until(raw_server, lambda: ran)
    assert ran[0] >= due


def test_a_task_of_no_delay_runs_in_the_next_turn_and_not_in_this(raw_server: RawServer) -> None:
    turns: list[int] = []

    def again() -> None:
        turns.append(len(turns))
        raw_server.add_task(again)

    raw_server.add_task(again)
    for turn in range(1, 6):
        raw_server.listen_once()
        assert len(turns) == turn


def test_a_task_may_cancel_one_that_is_due_in_the_same_turn(raw_server: RawServer) -> None:
    ran: list[str] = []
    raw_server.add_task(lambda: second.cancel())
    second = raw_server.add_task(ran.append, 0.0, ("second",))
    raw_server.add_task(ran.append, 0.0, ("third",))
    raw_server.listen_once(0.0)
    assert ran == ["third"]
    assert second.cancelled


def test_tasks_that_add_tasks_do_not_starve_sockets(raw_server: RawServer) -> None:
    callee = Recorder()
    connection, _ = join(raw_server, Recorder(), callee)

    def again() -> None:
        raw_server.add_task(again)

    raw_server.add_task(again)
    connection.write(b"hello")
    run_until(raw_server, lambda: callee.data == b"hello", 5.0)


def test_busy_sockets_do_not_starve_tasks(raw_server: RawServer) -> None:
    def echo(connection: SingleSocket) -> None:
        connection.write(b"x")

    connection, _ = join(raw_server, Recorder(data_came_in=echo), Recorder(data_came_in=echo))
    connection.write(b"x")
    ran: list[int] = []

    def again(left: int) -> None:
        ran.append(left)
        if left:
            raw_server.add_task(again, 0.0, (left - 1,))

    raw_server.add_task(again, 0.005, (10,))
    run_until(raw_server, lambda: len(ran) == 11, 5.0)


def test_one_busy_reader_does_not_starve_the_others(network: Network) -> None:
    raw_server = RawServer(config=Config(read_size=1000), network=network)
    busy, quiet = Recorder(), Recorder()
    flood, _ = join(raw_server, Recorder(), busy)
    calm, _ = join(raw_server, Recorder(), quiet)
    flood.write(b"x" * 200_000)
    calm.write(b"hello")
    run_until(raw_server, lambda: quiet.data)
    assert len(busy.data) < 10_000
    raw_server.close()


def test_one_busy_writer_sends_no_more_than_its_turn(network: Network, tmp_path: Path) -> None:
    raw_server = RawServer(config=Config(send_per_turn=10_000), network=network)
    file = opened(network.disk, tmp_path / "a", b"x" * 100_000)
    callee = Recorder()
    connection, _ = join(raw_server, Recorder(), callee)
    connection.sendfile(file, 0, 100_000)
    while not connection.is_flushed():
        before = connection.buffered
        assert before > 0
        raw_server.listen_once(0.01)
        assert before - connection.buffered <= 10_000
    run_until(raw_server, lambda: len(callee.data) == 100_000)
    file.close()
    raw_server.close()


def test_a_storm_of_tasks_from_threads_loses_nothing_and_keeps_each_threads_order(
    raw_server: RawServer,
) -> None:
    got: list[tuple[int, int]] = []

    def storm(thread: int) -> None:
        for number in range(1000):
            raw_server.external_add_task(got.append, 0.0, ((thread, number),))

    threads = [threading.Thread(target=storm, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    run_until(raw_server, lambda: len(got) == 4000)
    for thread in threads:
        thread.join()
    for number in range(4):
        assert [n for thread, n in got if thread == number] == list(range(1000))


def test_a_task_from_a_thread_wakes_a_loop_that_waits(raw_server: RawServer) -> None:
    needs_the_system(raw_server.network, "a simulated loop waits for no thread")
    waits = threading.Event()
    raw_server.add_task(waits.set)

    def late() -> None:
        waits.wait()
        raw_server.external_add_task(raw_server.doneflag.set)

    thread = threading.Thread(target=late)
    thread.start()
    raw_server.listen_forever()  # there is nothing else that could end it
    thread.join()
