import errno

import pytest

from kit.hosts import code_of, two_hosts
from rawserver.simulation.description import READABLE, Description, error_of
from rawserver.simulation.host import Host


class Always(Description):
    """Readable as long as it is open."""

    __slots__ = ()

    def poll_events(self) -> int:
        return READABLE

    def close(self) -> None:
        self.release()


def opened(host: Host) -> Always:
    description = Always(host.kernel)
    description.open()
    return description


def test_an_error_is_of_its_class() -> None:
    assert isinstance(error_of(errno.ECONNREFUSED), ConnectionRefusedError)
    assert str(error_of(errno.EMFILE)) == "[Errno 24] Too many open files"


def test_it_has_a_descriptor_from_open_to_close() -> None:
    _, host, _ = two_hosts()
    description = opened(host)
    assert host.kernel.descriptors.get(description.fileno()) is description
    description.check_open()
    assert description.release()
    assert description.fileno() == -1
    assert not description.release()
    assert code_of(description.check_open) == errno.EBADF


def test_a_poller_that_it_is_in_forgets_it_when_it_is_closed() -> None:
    _, host, _ = two_hosts()
    poller = host.network.make_poller()
    description = opened(host)
    poller.register(description.fileno(), READABLE)
    assert poller.poll(0.0) == [(description.fileno(), READABLE)]
    description.release()
    assert poller.poll(0.0) == []


@pytest.mark.parametrize("count", [1, 2])
def test_each_poller_that_it_is_in_is_told(count: int) -> None:
    _, host, _ = two_hosts()
    wakeup = host.network.make_wakeup()
    pollers = [host.network.make_poller() for _ in range(count)]
    for poller in pollers:
        poller.register(wakeup.fileno(), READABLE)
    wakeup.wake()
    assert [poller.poll(0.0) for poller in pollers] == [[(wakeup.fileno(), READABLE)]] * count
