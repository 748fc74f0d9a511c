import errno
import socket

import pytest

from kit.hosts import ONE, OTHER, calling, code_of, listening, two_hosts


def test_a_call_fails_as_long_as_it_is_said() -> None:
    _, one, _ = two_hosts()
    faults = one.kernel.call_faults
    fault = faults.add("socket", errno.ENOMEM)
    for _ in range(2):
        assert code_of(one.kernel.socket, socket.AF_INET, socket.SOCK_STREAM) == errno.ENOMEM
    fault.remove()
    fault.remove()
    sock = one.kernel.socket(socket.AF_INET, socket.SOCK_STREAM)
    with faults.add("bind", errno.EACCES):
        assert code_of(sock.bind, (ONE, 80)) == errno.EACCES
    sock.bind((ONE, 80))
    with faults.add("connect", errno.EPERM):
        assert sock.connect_ex((OTHER, 80)) == errno.EPERM


def test_it_may_fail_now_and_then() -> None:
    world, one, other = two_hosts()
    server = listening(other)
    for _ in range(3):
        calling(one, OTHER)
    world.run(seconds=1.0)
    answers = [False, True, False]
    other.kernel.call_faults.add("accept", errno.EMFILE, when=lambda: answers.pop(0))
    assert [code_of(server.accept) for _ in range(3)] == [0, errno.EMFILE, 0]


def test_other_calls_cannot_be_made_to_fail() -> None:
    _, one, _ = two_hosts()
    with pytest.raises(ValueError, match="recv"):
        one.kernel.call_faults.add("recv", errno.EIO)
