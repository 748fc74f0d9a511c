import errno
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer
from rawserver.engine import bound_sockets
from rawserver.engine.network import Socket
from rawserver.engine.os_network import OsNetwork

GROUP = "239.255.77.1"
GROUP_6 = "ff02::4d01"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")


class Keeping(OsNetwork):
    """Keeps what it made, to be closed, and to be looked at when a caller failed."""

    def __init__(self) -> None:
        super().__init__()
        self.sockets: list[Socket] = []

    def socket(self, family: int, kind: int) -> Socket:
        sock = super().socket(family, kind)
        self.sockets.append(sock)
        return sock

    def all_closed(self) -> bool:
        return all(sock.fileno() == -1 for sock in self.sockets)


@pytest.fixture
def network() -> Iterator[Keeping]:
    made = Keeping()
    yield made
    for sock in made.sockets:
        sock.close()


def tos_of(sock: Socket) -> tuple[int, int]:
    return (
        sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS),
        sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
    )


def test_several_listen_on_a_port_with_reuse_port_and_else_not(network: Keeping) -> None:
    first = bound_sockets.listening_socket(network, 0, "127.0.0.1", 5, reuse_port=True)
    port = first.getsockname()[1]
    second = bound_sockets.listening_socket(network, port, "127.0.0.1", 5, reuse_port=True)
    assert second.getsockname() == first.getsockname()
    with pytest.raises(OSError, match="in use"):
        bound_sockets.listening_socket(network, port, "127.0.0.1", 5)


def test_several_take_the_datagrams_of_a_port_with_reuse_port(network: Keeping) -> None:
    first = bound_sockets.datagram_socket(network, 0, "127.0.0.1", reuse_port=True)
    port = first.getsockname()[1]
    bound_sockets.datagram_socket(network, port, "127.0.0.1", reuse_port=True)
    with pytest.raises(OSError, match="in use"):
        bound_sockets.datagram_socket(network, port, "127.0.0.1")


def test_a_system_without_reuse_port_says_so(
    network: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(OSError, match="SO_REUSEPORT") as caught:
        bound_sockets.datagram_socket(network, 0, "127.0.0.1", reuse_port=True)
    assert caught.value.errno == errno.EOPNOTSUPP
    assert network.all_closed()


@pytest.mark.skipif(sys.platform != "linux", reason="BSD has no IP_TOS on IPv6 sockets")
def test_type_of_service_is_set_for_both_families(network: Keeping) -> None:
    assert tos_of(bound_sockets.listening_socket(network, 0, "", 5, tos=0x28)) == (0x28, 0x28)
    assert tos_of(bound_sockets.datagram_socket(network, 0, "", tos=0x28)) == (0x28, 0x28)
    assert tos_of(bound_sockets.datagram_socket(network, 0, "")) == (0, 0)


def test_a_type_of_service_that_cannot_be_had_fails_nothing(network: Keeping) -> None:
    sock = bound_sockets.datagram_socket(network, 0, "", tos=0x1000)
    assert sock.getsockname()[1]


def test_a_path_has_the_permissions_that_were_asked_for(network: Keeping, tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound_sockets.unix_listening_socket(network, str(path), 5, mode=0o620)
    assert stat.S_IMODE(path.stat().st_mode) == 0o620


def test_a_path_on_which_nobody_listens_any_more_is_replaced(
    network: Keeping, tmp_path: Path
) -> None:
    path = str(tmp_path / "s")
    bound_sockets.unix_listening_socket(network, path, 5).close()
    assert os.path.exists(path)
    bound_sockets.unix_listening_socket(network, path, 5)
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)


def test_a_path_on_which_somebody_listens_is_refused(network: Keeping, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    live = bound_sockets.unix_listening_socket(network, path, 0)
    for _ in range(3):  # the later find its backlog full
        with pytest.raises(OSError, match="in use"):
            bound_sockets.unix_listening_socket(network, path, 5)
    live.accept()[0].close()
    assert [sock for sock in network.sockets if sock.fileno() != -1] == [live]


def room_of(sock: Socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def test_a_datagram_socket_has_room_as_far_as_the_system_allows(network: Keeping) -> None:
    usual = room_of(bound_sockets.datagram_socket(network, 0, "127.0.0.1"))
    small = bound_sockets.datagram_socket(network, 0, "127.0.0.1", receive_buffer=8192)
    large = bound_sockets.datagram_socket(network, 0, "127.0.0.1", receive_buffer=1 << 30)
    assert 8192 <= room_of(small) < usual <= room_of(large)


class Short(Keeping):
    """Has no sockets of some families, or of IPv6 no port that was not asked for so often."""

    def __init__(self, missing: tuple[int, ...] = (), taken: int = 0) -> None:
        super().__init__()
        self.missing = missing
        self.taken = taken

    def socket(self, family: int, kind: int) -> Socket:
        if family in self.missing:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        if family == socket.AF_INET6 and self.taken:
            self.taken -= 1
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        return super().socket(family, kind)


def test_datagram_sockets_are_one_of_each_family_on_one_port(network: Keeping) -> None:
    ipv4, ipv6 = bound_sockets.datagram_sockets(network, 0, reuse_port=True, receive_buffer=8192)
    port = ipv4.getsockname()[1]
    assert port
    assert ipv4.getsockname() == ("0.0.0.0", port)
    assert ipv6.getsockname()[:2] == ("::", port)
    assert ipv6.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    assert (
        room_of(ipv4)
        == room_of(ipv6)
        == room_of(bound_sockets.datagram_socket(network, 0, "", receive_buffer=8192))
    )
    assert len(bound_sockets.datagram_sockets(network, port, reuse_port=True)) == 2
    with pytest.raises(OSError, match="in use"):
        bound_sockets.datagram_sockets(network, port)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_datagram_sockets_are_of_the_families_that_there_are(family: int) -> None:
    short = Short(missing=(family,))
    (sock,) = bound_sockets.datagram_sockets(short, 0)
    assert len(sock.getsockname()) == (4 if family == socket.AF_INET else 2)
    sock.close()
    with pytest.raises(OSError, match="family"):
        bound_sockets.datagram_sockets(Short(missing=(socket.AF_INET, socket.AF_INET6)), 0)


def test_a_port_that_is_free_in_one_family_alone_is_let_go() -> None:
    short = Short(taken=2)
    for sock in bound_sockets.datagram_sockets(short, 0):
        sock.close()
    assert len(short.sockets) == 4
    assert short.all_closed()
    for port, taken in ((a_free_port(), 1), (0, 100)):
        short = Short(taken=taken)
        with pytest.raises(OSError, match="in use"):
            bound_sockets.datagram_sockets(short, port)
        assert short.all_closed()


def a_free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 0))
        port = sock.getsockname()[1]
        assert isinstance(port, int)
        return port


def test_a_path_of_a_datagram_socket_is_refused(network: Keeping, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        with pytest.raises(OSError, match="in use"):
            bound_sockets.unix_listening_socket(network, path, 5)
    assert os.path.exists(path)


def test_a_file_of_another_kind_stays(network: Keeping, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"kept")
    with pytest.raises(OSError, match="in use"):
        bound_sockets.unix_listening_socket(network, str(path), 5)
    assert path.read_bytes() == b"kept"
    link = tmp_path / "link"
    bound_sockets.unix_listening_socket(network, str(tmp_path / "s"), 5).close()
    link.symlink_to(tmp_path / "s")
    with pytest.raises(OSError, match="in use"):
        bound_sockets.unix_listening_socket(network, str(link), 5)
    assert link.is_symlink()
    assert network.all_closed()


@linux_only
@pytest.mark.parametrize("first", ["@", "\0"])
def test_an_abstract_name_leaves_no_file_and_is_free_when_closed(
    network: Keeping, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"rawserver-test-{os.getpid()}"
    for _ in range(2):
        sock = bound_sockets.unix_listening_socket(network, first + name, 5)
        assert sock.getsockname() == b"\0" + name.encode()
        with pytest.raises(OSError, match="in use"):
            bound_sockets.unix_listening_socket(network, first + name, 5)
        sock.close()
    assert not list(tmp_path.iterdir())


@linux_only
def test_an_abstract_name_that_somebody_has_is_refused_though_nobody_listens(
    network: Keeping,
) -> None:
    name = f"\0rawserver-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(name)
        with pytest.raises(OSError, match="in use"):
            bound_sockets.unix_listening_socket(network, name, 5)
    assert network.all_closed()


def test_elsewhere_than_on_linux_an_abstract_name_is_refused(
    network: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(OSError, match="only Linux") as caught:
        bound_sockets.unix_listening_socket(network, "@x", 5)
    assert caught.value.errno == errno.EOPNOTSUPP
    assert not network.sockets


def test_an_abstract_name_has_no_mode(network: Keeping) -> None:
    with pytest.raises(ValueError, match="permissions"):
        bound_sockets.unix_listening_socket(network, "@x", 5, mode=0o600)


def test_a_path_that_cannot_be_leaves_nothing_open(network: Keeping, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bound_sockets.unix_listening_socket(network, str(tmp_path / "no" / "s"), 5)
    with pytest.raises(OSError, match="too long"):
        bound_sockets.unix_listening_socket(network, str(tmp_path / ("x" * 200)), 5)
    assert network.all_closed()


def joined(network: Keeping, group: str, interface: str) -> Socket:
    try:
        return bound_sockets.multicast_socket(network, 0, group, interface=interface)
    except OSError as error:
        pytest.skip(f"no multicast on this machine: {error}")


@pytest.mark.parametrize("interface", ["127.0.0.1", "lo"])
def test_members_of_a_group_take_what_comes_to_it(network: Keeping, interface: str) -> None:
    member = joined(network, GROUP, interface)
    port = member.getsockname()[1]
    fellow = bound_sockets.multicast_socket(network, port, GROUP, interface=interface)
    try:
        fellow.sendto(b"hello", (GROUP, port))
    except OSError as error:
        pytest.skip(f"no multicast on this machine: {error}")
    for sock in (member, fellow):
        sock.setblocking(True)
        assert sock.recvfrom(10)[0] == b"hello"


def test_a_member_of_an_ipv6_group_takes_what_comes_to_it(network: Keeping) -> None:
    member = joined(network, GROUP_6, "lo")
    port = member.getsockname()[1]
    try:
        member.sendto(b"hello", (GROUP_6, port))
    except OSError as error:
        pytest.skip(f"no IPv6 multicast on this machine: {error}")
    member.setblocking(True)
    assert member.recvfrom(10)[0] == b"hello"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux gives a group's datagrams to all else")
def test_the_groups_of_others_are_not_ours(network: Keeping) -> None:
    ours = joined(network, GROUP, "127.0.0.1")
    port = ours.getsockname()[1]
    other = bound_sockets.multicast_socket(network, port, "239.255.77.2", interface="127.0.0.1")
    try:
        other.sendto(b"theirs", ("239.255.77.2", port))
    except OSError as error:
        pytest.skip(f"no multicast on this machine: {error}")
    other.setblocking(True)
    assert other.recvfrom(10)[0] == b"theirs"
    with pytest.raises(BlockingIOError):
        ours.recvfrom(10)


def test_what_is_sent_has_the_time_to_live_and_the_loopback_that_were_asked_for(
    network: Keeping,
) -> None:
    joined(network, GROUP, "127.0.0.1")
    sock = bound_sockets.multicast_socket(
        network, 0, GROUP, interface="127.0.0.1", ttl=4, loopback=False
    )
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 4
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP) == 0
    joined(network, GROUP_6, "lo")
    sock = bound_sockets.multicast_socket(
        network, 0, GROUP_6, interface="lo", ttl=4, loopback=False
    )
    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS) == 4
    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP) == 0


@pytest.mark.parametrize("group", ["10.0.0.1", "::1", "localhost"])
def test_what_is_no_group_is_refused(network: Keeping, group: str) -> None:
    with pytest.raises(ValueError, match=group):
        bound_sockets.multicast_socket(network, 0, group)
    assert not network.sockets


@pytest.mark.parametrize("group", [GROUP, GROUP_6])
def test_an_interface_that_is_not_there_is_refused(network: Keeping, group: str) -> None:
    with pytest.raises(OSError, match="no interface"):
        bound_sockets.multicast_socket(network, 0, group, interface="nowhere0")
    with pytest.raises(ValueError, match="256"):
        bound_sockets.multicast_socket(network, 0, group, interface="lo", ttl=256)
    assert network.all_closed()


def test_a_raw_server_makes_them_as_it_is_asked_to(raw_server: RawServer, tmp_path: Path) -> None:
    for make in (raw_server.create_serversocket, raw_server.create_udpsocket):
        sock = make(0, "127.0.0.1", reuse_port=True, tos=0x28)
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x28
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1
        sock.close()
    for sock in raw_server.create_udpsockets(reuse_port=True, receive_buffer=8192):
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1
        sock.close()
    path = tmp_path / "s"
    raw_server.create_unixserversocket(str(path), backlog=1, mode=0o600).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    try:
        sock = raw_server.create_multicastsocket(
            0, GROUP, bind="127.0.0.1", interface="lo", ttl=3, loopback=False, tos=0x28
        )
    except OSError as error:
        pytest.skip(f"no multicast on this machine: {error}")
    assert sock.getsockname()[0] == "127.0.0.1"
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 3
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP) == 0
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x28
    sock.close()


@linux_only
def test_an_abstract_name_can_be_connected_to(raw_server: RawServer) -> None:
    name = f"@rawserver-test-{os.getpid()}"
    callee = Recorder(data_came_in=lambda connection: connection.write(b"answer"))
    caller = Recorder()
    raw_server.start_listening(raw_server.create_unixserversocket(name), callee)
    raw_server.start_connection(name, caller).write(b"hello")
    run_until(raw_server, lambda: caller.data == b"answer")
