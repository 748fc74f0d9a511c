import select
import threading

from rawserver.engine.wakeup import SocketWakeup


def is_woken(wakeup: SocketWakeup) -> bool:
    return bool(select.select([wakeup.fileno()], [], [], 0)[0])


def test_any_number_of_wakes_is_one_event() -> None:
    wakeup = SocketWakeup()
    assert not is_woken(wakeup)
    for _ in range(3):
        wakeup.wake()
    assert is_woken(wakeup)
    wakeup.drain()
    assert not is_woken(wakeup)
    wakeup.drain()
    wakeup.close()


def test_a_storm_of_wakes_that_nobody_takes_does_not_block() -> None:
    wakeup = SocketWakeup()
    for _ in range(100_000):
        wakeup.wake()
    wakeup.drain()
    assert not is_woken(wakeup)
    wakeup.close()


def test_a_wake_after_the_end_is_nothing() -> None:
    wakeup = SocketWakeup()
    wakeup.close()
    wakeup.wake()
    wakeup.close()


def test_a_wake_that_races_with_the_end_harms_nobody() -> None:
    failures: list[BaseException] = []
    for _ in range(50):
        wakeup = SocketWakeup()
        started = threading.Event()

        def storm(wakeup: SocketWakeup = wakeup, started: threading.Event = started) -> None:
            try:
                for _ in range(200):
                    wakeup.wake()
                    started.set()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=storm)
        thread.start()
        started.wait()
        wakeup.close()
        thread.join()
    assert not failures
