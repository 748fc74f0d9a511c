import threading

from kit.hosts import two_hosts
from rawserver.simulation.description import READABLE


def test_it_is_readable_from_wake_to_drain() -> None:
    _, host, _ = two_hosts()
    wakeup, poller = host.network.make_wakeup(), host.network.make_poller()
    poller.register(wakeup.fileno(), READABLE)
    assert poller.poll(0.0) == []
    wakeup.wake()
    wakeup.wake()
    assert poller.poll(None) == [(wakeup.fileno(), READABLE)]
    assert poller.poll(None) == [(wakeup.fileno(), READABLE)]
    wakeup.drain()
    assert poller.poll(0.0) == []


def test_waking_one_that_is_closed_is_nothing() -> None:
    _, host, _ = two_hosts()
    wakeup = host.network.make_wakeup()
    wakeup.close()
    wakeup.close()
    wakeup.wake()
    assert wakeup.fileno() == -1


def test_a_thread_may_wake_it() -> None:
    _, host, _ = two_hosts()
    wakeup, poller = host.network.make_wakeup(), host.network.make_poller()
    poller.register(wakeup.fileno(), READABLE)
    thread = threading.Thread(target=wakeup.wake)
    thread.start()
    thread.join()
    assert poller.poll(0.0) == [(wakeup.fileno(), READABLE)]
