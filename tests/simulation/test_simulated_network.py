import errno
import socket
import threading

import pytest

from kit.hosts import OTHER, OTHER_IPV6, calling, code_of, joined, two_hosts
from rawserver import Network, RawServer
from rawserver.engine.network import SocketAddress
from rawserver.simulation import World


def test_it_is_a_network() -> None:
    _, host, _ = two_hosts()
    network: Network = host.network
    assert network.time() == 1000.0
    assert network.wall_time() > 1e9
    assert len(network.random_bytes(20)) == 20
    assert network.disk is host.disk
    assert network.primary_address() == "10.0.0.1"
    assert World().add_host("alone").network.primary_address() == "127.0.0.1"


def test_chance_is_of_the_host_and_of_the_seed() -> None:
    numbers = [host.network.random_bytes(8) for seed in (1, 2) for host in two_hosts(seed)[1:]]
    assert len(set(numbers)) == 4
    assert two_hosts(1)[1].network.random_bytes(8) == numbers[0]


def test_names_are_the_worlds_and_the_hosts() -> None:
    world, one, other = two_hosts()
    world.names["tracker.example"] = [OTHER, OTHER_IPV6]
    one.names["box"] = ["10.0.0.7"]
    resolve = one.network.resolve
    assert resolve("tracker.example", 80, socket.SOCK_STREAM) == [
        SocketAddress(socket.AF_INET, (OTHER, 80)),
        SocketAddress(socket.AF_INET6, (OTHER_IPV6, 80, 0, 0)),
    ]
    assert resolve("box", 1, 0)[0].address == ("10.0.0.7", 1)
    assert {found.address[0] for found in resolve("localhost", 1, 0)} == {"127.0.0.1", "::1"}
    assert resolve("10.1.1.1", 1, 0)[0].address == ("10.1.1.1", 1)
    with pytest.raises(socket.gaierror):
        other.network.resolve("box", 1, 0)


def test_work_takes_time_and_is_told_by_a_task() -> None:
    world, one, _ = two_hosts()
    told: list[tuple[object, float]] = []
    one.boot(
        lambda raw_server: raw_server.start_work(
            lambda: 42, (), lambda result, error: told.append((result, world.now))
        )
    )
    world.run(seconds=1.0)
    [(result, at)] = told
    assert result == 42
    assert at > 1000.0


def test_a_part_of_a_file_is_sent() -> None:
    world, one, other = two_hosts()
    caller, callee = joined(world, one, other)
    one.disk.put("/file", b"0123456789")
    file = one.disk.open("/file", "r")
    sendfile = one.network.sendfile
    assert sendfile(caller, file, 2, 5) == 5
    assert sendfile(caller, file, 8, 5) == 2
    assert sendfile(caller, file, 10, 5) == 0
    world.run(seconds=1.0)
    assert callee.recv(100) == b"2345689"
    while not code_of(caller.send, bytes(65536)):
        pass
    assert code_of(sendfile, caller, file, 0, 5) == errno.EAGAIN
    assert one.network.unacknowledged(caller) > 100_000
    file.close()


def test_a_plain_event_ends_a_loop_too() -> None:
    world, one, _ = two_hosts()
    doneflag = threading.Event()
    raw_server = RawServer(doneflag, network=one.network)
    world.schedule(5.0, doneflag.set)
    raw_server.listen_forever()
    assert world.now == pytest.approx(1005.0, abs=0.1)
    stop = one.network.watch(threading.Event(), one.network.make_wakeup())
    stop()
    before = world.events
    world.run(seconds=10.0)
    assert world.events - before <= 2


def test_what_is_no_datagram_socket_has_no_batches() -> None:
    _, one, _ = two_hosts()
    assert one.network.datagram_batches(calling(one, OTHER)) is None
    sock = one.network.socket(socket.AF_INET, socket.SOCK_DGRAM)
    assert one.network.datagram_batches(sock) is not None
