import signal
import threading
from collections.abc import Iterator

import pytest

from kit.loop import run_until
from rawserver import RawServer
from rawserver.engine.signals import handle_sigint, handle_signal

DEADLINE_SECONDS = 10.0


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_a_signal_is_a_task_of_the_loop(raw_server: RawServer) -> None:
    came: list[object] = []
    handle_signal(raw_server, signal.SIGUSR1, came.append, ("one",))
    handle_signal(raw_server, signal.SIGUSR2, lambda: came.append(threading.get_ident()))
    signal.raise_signal(signal.SIGUSR1)
    assert not came
    run_until(raw_server, lambda: came == ["one"])
    signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR2)
    run_until(raw_server, lambda: came == ["one", "one", threading.get_ident()])


def test_a_signal_wakes_a_loop_that_waits(raw_server: RawServer) -> None:
    handle_signal(raw_server, signal.SIGUSR1, raw_server.doneflag.set)
    # Raised where there is no turn to come: by a thread, once the loop has begun to wait.
    main = threading.get_ident()
    raw_server.add_task(
        lambda: threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGUSR1)).start()
    )
    raw_server.listen_forever()
    assert raw_server.doneflag.is_set()


def test_a_loop_in_another_thread_has_it_there(raw_server: RawServer) -> None:
    came: list[int] = []
    handle_signal(raw_server, signal.SIGUSR1, lambda: came.append(threading.get_ident()))
    handle_signal(raw_server, signal.SIGUSR2, raw_server.doneflag.set)
    thread = threading.Thread(target=raw_server.listen_forever)
    thread.start()
    signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR2)
    thread.join(DEADLINE_SECONDS)
    assert came == [thread.ident]
    # Its end could not put the handlers back there; the signal itself does.
    outer: list[int] = []
    signal.signal(signal.SIGUSR2, lambda number, frame: outer.append(number))
    again = handle_signal(RawServer(), signal.SIGUSR2, came.clear)
    ending = threading.Thread(target=again.end)
    ending.start()
    ending.join()
    signal.raise_signal(signal.SIGUSR2)
    assert outer == [signal.SIGUSR2]
    again._raw_server.close()


def test_it_may_interrupt_the_mailbox_anywhere(raw_server: RawServer) -> None:
    came: list[int] = []
    handle_signal(raw_server, signal.SIGUSR1, came.append, (1,))
    with raw_server._mailbox.wakeup._lock:  # type: ignore[attr-defined]
        signal.raise_signal(signal.SIGUSR1)
    run_until(raw_server, lambda: came)
    # Hits the main thread wherever it is: in turns, polls and additions of its own.
    own: list[int] = []
    stop = threading.Event()
    main = threading.get_ident()

    def hit() -> None:
        while not stop.is_set():
            signal.pthread_kill(main, signal.SIGUSR1)

    thread = threading.Thread(target=hit)
    thread.start()
    try:
        for number in range(500):
            raw_server.external_add_task(own.append, 0.0, (number,))
            raw_server.listen_once(0.0)
    finally:
        stop.set()
        thread.join()
    run_until(raw_server, lambda: len(own) == 500 and len(came) > 1)
    assert own == list(range(500))


def test_the_old_handler_comes_back(raw_server: RawServer) -> None:
    outer: list[int] = []
    came: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: outer.append(number))
    before = signal.getsignal(signal.SIGUSR1)
    handler = handle_signal(raw_server, signal.SIGUSR1, came.append, (1,))
    handler.end()
    handler.end()
    assert signal.getsignal(signal.SIGUSR1) == before
    signal.raise_signal(signal.SIGUSR1)
    assert outer == [signal.SIGUSR1]
    assert not came


def test_what_has_been_handled_anew_is_left(raw_server: RawServer) -> None:
    first = handle_signal(raw_server, signal.SIGUSR1, print)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    first.end()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN


def test_a_context_or_loop_that_ends_takes_its_signals_along() -> None:
    raw_server = RawServer()
    raw_server.add_context("service")
    before = signal.getsignal(signal.SIGUSR1), signal.getsignal(signal.SIGUSR2)
    handle_signal(raw_server, signal.SIGUSR1, print, context="service")
    handle_signal(raw_server, signal.SIGUSR2, print)
    raw_server.remove_context("service")
    assert signal.getsignal(signal.SIGUSR1) == before[0]
    assert signal.getsignal(signal.SIGUSR2) != before[1]
    raw_server.close()
    assert signal.getsignal(signal.SIGUSR2) == before[1]


def test_what_cannot_be_handled_is_refused(raw_server: RawServer) -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        handle_signal(raw_server, signal.SIGKILL, print)
    with pytest.raises(ValueError, match="out of range"):
        handle_signal(raw_server, 10_000, print)
    with pytest.raises(ValueError, match="never added"):
        handle_signal(raw_server, signal.SIGUSR1, print, context="no")
    errors: list[ValueError] = []

    def elsewhere() -> None:
        try:
            handle_signal(raw_server, signal.SIGUSR1, print)
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])
    assert not raw_server._contexts.things(None)


def test_the_first_interrupt_sets_the_flag_and_the_second_interrupts() -> None:
    doneflag = threading.Event()
    handle_sigint(doneflag)
    assert not doneflag.is_set()
    signal.raise_signal(signal.SIGINT)
    assert doneflag.wait(DEADLINE_SECONDS)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_the_flag_may_be_in_use_by_what_the_interrupt_interrupts() -> None:
    doneflag = threading.Event()
    handle_sigint(doneflag)
    with doneflag._cond:  # what `wait` and `set` hold
        signal.raise_signal(signal.SIGINT)
    assert doneflag.wait(DEADLINE_SECONDS)
