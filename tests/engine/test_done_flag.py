import threading

from kit.loop import run_until
from rawserver import OsNetwork, RawServer
from rawserver.engine.done_flag import DoneFlag


class Counting:
    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_setting_it_wakes_those_who_watch() -> None:
    flag, one, other = DoneFlag(), Counting(), Counting()
    flag.watch(one)
    flag.watch(other)
    flag.forget(other)
    flag.forget(other)
    assert (one.woken, other.woken) == (0, 0)
    flag.set()
    assert flag.is_set()
    assert (one.woken, other.woken) == (1, 0)


def test_who_watches_one_that_is_set_is_woken_at_once() -> None:
    flag, late = DoneFlag(), Counting()
    flag.set()
    flag.watch(late)
    assert late.woken == 1


def test_a_loop_that_waits_ends_without_a_thread_that_waits_for_it() -> None:
    raw_server = RawServer()
    ended = threading.Event()

    def turn() -> None:
        raw_server.listen_forever()
        ended.set()

    before = threading.active_count()
    thread = threading.Thread(target=turn)
    thread.start()
    # A task runs: the loop turns, and waits again after it.
    turned = threading.Event()
    raw_server.external_add_task(turned.set)
    assert turned.wait(10.0)
    assert threading.active_count() == before + 1
    raw_server.doneflag.set()
    assert ended.wait(10.0)
    thread.join()


def test_one_flag_ends_several_loops() -> None:
    flag = DoneFlag()
    servers = [RawServer(flag) for _ in range(3)]
    threads = [threading.Thread(target=server.listen_forever) for server in servers]
    for thread in threads:
        thread.start()
    flag.set()
    for thread in threads:
        thread.join(10.0)
        assert not thread.is_alive()


def test_a_plain_event_is_watched_too() -> None:
    flag = threading.Event()
    network = OsNetwork()
    wakeup = Counting()
    stop = network.watch(flag, wakeup)
    flag.set()
    raw_server = RawServer()
    run_until(raw_server, lambda: wakeup.woken)
    stop()
    raw_server.close()
