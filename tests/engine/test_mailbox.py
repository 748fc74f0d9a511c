import threading

from rawserver.engine.mailbox import Letter, Mailbox


class CountingWakeup:
    def __init__(self) -> None:
        self.wakes = 0
        self.drains = 0
        self.closed = False

    def fileno(self) -> int:
        return -1

    def wake(self) -> None:
        self.wakes += 1

    def drain(self) -> None:
        self.drains += 1

    def close(self) -> None:
        self.closed = True


def letter(number: int) -> Letter:
    return Letter(print, 0.0, (number,), None)


def test_however_much_is_added_it_wakes_once_until_it_is_delivered() -> None:
    wakeup = CountingWakeup()
    delivered: list[tuple[int, ...]] = []
    mailbox = Mailbox(wakeup, lambda func, delay, args, context: delivered.append(args))
    for number in range(5):
        mailbox.add(letter(number))
    assert wakeup.wakes == 1
    mailbox.ready(1)
    assert delivered == [(0,), (1,), (2,), (3,), (4,)]
    mailbox.add(letter(5))
    assert wakeup.wakes == 2


def test_what_is_added_while_it_delivers_is_left_for_the_next_turn() -> None:
    wakeup = CountingWakeup()
    delivered: list[object] = []

    def deliver(func: object, delay: float, args: tuple[int, ...], context: object) -> None:
        delivered.append(args)
        mailbox.add(letter(args[0] + 1))

    mailbox = Mailbox(wakeup, deliver)
    mailbox.add(letter(0))
    mailbox.ready(1)
    assert delivered == [(0,)]
    assert wakeup.wakes == 2
    mailbox.ready(1)
    assert delivered == [(0,), (1,)]


def test_nothing_is_taken_after_the_end() -> None:
    wakeup = CountingWakeup()
    delivered: list[object] = []
    mailbox = Mailbox(wakeup, lambda *letter: delivered.append(letter))
    mailbox.close()
    mailbox.add(letter(0))
    assert wakeup.closed
    assert wakeup.wakes == 0
    assert not delivered


def test_a_storm_from_many_threads_loses_nothing() -> None:
    wakeup = CountingWakeup()
    delivered: list[int] = []
    mailbox = Mailbox(wakeup, lambda func, delay, args, context: delivered.append(args[0]))

    def storm(first: int) -> None:
        for number in range(first, first + 500):
            mailbox.add(letter(number))

    threads = [threading.Thread(target=storm, args=(first,)) for first in range(0, 2000, 500)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        mailbox.ready(1)
    mailbox.ready(1)
    assert sorted(delivered) == list(range(2000))
