import errno
import socket

import pytest

from kit.hosts import OTHER, calling, code_of, listening, two_hosts


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("descriptors", errno.EMFILE),
        ("system_descriptors", errno.ENFILE),
        ("sockets", errno.ENOBUFS),
    ],
)
def test_what_has_run_out_is_told_by_name(name: str, code: int) -> None:
    _, host, _ = two_hosts()
    setattr(host.limits, name, 10)
    made = []
    for _ in range(20):
        if code_of(lambda: made.append(host.kernel.socket(socket.AF_INET, socket.SOCK_DGRAM))):
            break
    assert 0 < len(made) <= 10
    assert code_of(host.kernel.socket, socket.AF_INET, socket.SOCK_STREAM) == code
    made[0].close()
    host.kernel.socket(socket.AF_INET, socket.SOCK_STREAM)


def test_a_backlog_is_bounded_by_the_machine() -> None:
    world, one, other = two_hosts()
    other.limits.most_backlog = 1
    server = listening(other, backlog=100)
    for _ in range(5):
        calling(one, OTHER)
    world.run(seconds=0.5)
    assert len(server.queue) == 2
