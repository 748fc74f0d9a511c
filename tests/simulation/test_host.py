import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.hosts import OTHER, calling, code_of, two_hosts
from rawserver import RawServer
from rawserver.simulation import World
from rawserver.simulation.simulated_network import SimulatedNetwork


class Echo:
    """Sends back what comes; counts what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.error: Any = None

    def external_connection_made(self, connection: Any) -> None:
        self.heard.append("external_connection_made")

    def connection_made(self, connection: Any) -> None:
        self.heard.append("connection_made")
        connection.write(b"hello")

    def data_came_in(self, connection: Any, data: bytes) -> None:
        self.heard.append("data_came_in")
        connection.write(data)

    def connection_lost(self, connection: Any) -> None:
        self.heard.append("connection_lost")
        self.error = connection.error


def serve(handler: Echo) -> Any:
    def program(raw_server: RawServer) -> None:
        raw_server.start_listening(raw_server.create_serversocket(80), handler)

    return program


def echoing(seed: int = 0) -> tuple[Any, Any, Any, Echo, Echo]:
    world, one, other = two_hosts(seed)
    server, client = Echo(), Echo()
    other.boot(serve(server))
    one.boot(lambda raw_server: raw_server.start_connection((OTHER, 80), client))
    world.run(seconds=1.0)
    return world, one, other, server, client


def test_programs_on_two_hosts_speak() -> None:
    _world, one, _other, server, client = echoing()
    assert server.heard[:2] == ["external_connection_made", "data_came_in"]
    assert client.heard.count("data_came_in") > 20
    assert not one.reports
    assert repr(one) == "<Host one 10.0.0.1, fd00::1>"


def test_a_silent_crash_is_heard_by_nobody_until_somebody_writes() -> None:
    world, _one, other, server, client = echoing()
    heard = list(server.heard)
    other.crash()
    world.run(seconds=30.0)
    assert "connection_lost" not in client.heard
    assert server.heard == heard
    other.reboot(serve(Echo()))
    world.run(seconds=300.0)
    assert client.heard[-1] == "connection_lost"
    assert isinstance(client.error, ConnectionResetError)


def test_a_killed_process_resets_its_connections_at_once() -> None:
    world, one, other, server, client = echoing()
    heard = list(server.heard)
    other.crash(silent=False)
    world.run(seconds=0.1)
    assert isinstance(client.error, ConnectionResetError)
    assert server.heard == heard
    assert other.is_up
    caller = calling(one, OTHER)
    world.run(seconds=1.0)
    assert code_of(caller.recv, 1) == errno.ECONNREFUSED
    again = Echo()
    other.boot(serve(again))
    one.boot(lambda raw_server: raw_server.start_connection((OTHER, 80), Echo()))
    world.run(seconds=1.0)
    assert again.heard


@pytest.mark.parametrize("silent", [True, False])
def test_a_reboot_has_the_same_disk_and_nothing_else(silent: bool) -> None:
    _world, _one, other, _server, _client = echoing()
    disk, network, kernel = other.disk, other.network, other.kernel
    other.disk.put("/file", b"kept")
    other.crash(silent=silent)
    began: list[RawServer] = []
    other.reboot(began.append)
    assert other.disk is disk
    assert began[0].network is other.network
    assert other.network is not network
    assert other.kernel is not kernel
    assert other.disk.read_file("/file", 10) == b"kept"
    assert other.raw_servers == began


def test_work_of_a_process_that_is_no_more_tells_nobody() -> None:
    world, one, _ = two_hosts()
    told: list[object] = []
    raw_server = one.boot(
        lambda raw_server: raw_server.start_work(lambda: 1, (), lambda *result: told.append(result))
    )
    one.crash(silent=False)
    world.run(seconds=1.0)
    assert told == []
    assert not raw_server.doneflag.is_set()


def test_a_paused_process_stands_still_and_its_kernel_does_not() -> None:
    world, one, other, server, _client = echoing()
    other.pause()
    heard = len(server.heard)
    caller = calling(one, OTHER)
    world.run(seconds=10.0)
    assert len(server.heard) == heard
    assert caller.getpeername()
    other.resume()
    world.run(seconds=1.0)
    assert len(server.heard) > heard


def test_a_process_ends_by_its_doneflag() -> None:
    world, _one, other, server, client = echoing()
    other.raw_servers[0].doneflag.set()
    world.run(seconds=1.0)
    assert server.heard[-1] == client.heard[-1] == "connection_lost"
    assert len(other.kernel.descriptors) == 0


def test_who_is_without_power_is_member_of_nothing() -> None:
    world, one, _ = two_hosts()
    group = socket.inet_aton("239.1.2.3") + bytes(8)
    member = one.kernel.socket(socket.AF_INET, socket.SOCK_DGRAM)
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    for path in ("/s", "\0name"):
        sock = one.kernel.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(path)
    one.crash()
    assert world.groups["239.1.2.3"] == {}
    assert one.unix_names == {"/s": None}


SCENARIO = """
import test_host

world = test_host.echoing(3)[0]
world.run(seconds=5.0)
print(world.events, world.trace.hexdigest())
"""


def test_it_is_the_same_in_every_process() -> None:
    here = Path(__file__).resolve().parent
    path = os.pathsep.join([str(here), str(here.parent), *sys.path])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCENARIO],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 2


def test_what_a_raw_server_reports_is_kept_with_its_time() -> None:
    world, one, _ = two_hosts()
    one.boot(lambda raw_server: raw_server.add_task(lambda: [][0], 1.0))
    world.run(seconds=5.0)
    [(at, _, text)] = one.reports
    assert at == pytest.approx(1001.0)
    assert "IndexError" in text


def test_the_same_seed_is_the_same_and_another_is_not() -> None:
    hashes = [echoing(seed)[0].trace.hexdigest() for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_raw_server_may_be_driven_from_outside() -> None:
    world, one, other = two_hosts()
    server = Echo()
    other.boot(serve(server))
    raw_server = RawServer(network=one.network)
    client = Echo()
    raw_server.start_connection((OTHER, 80), client)
    while client.heard.count("data_came_in") < 5:
        raw_server.listen_once(1.0)
    raw_server.close()
    assert client.heard[-1] == "connection_lost"
    world.run(seconds=1.0)
    assert server.heard[-1] == "connection_lost"
    assert isinstance(one.network, SimulatedNetwork)


def test_what_is_on_the_disks_of_several_hosts_is_kept_once() -> None:
    world = World()
    for number in range(3):
        disk = world.add_host(f"host{number}", f"10.0.0.{number + 1}").disk
        disk.put("/content", bytes(range(256)) * 256)
    # Four blocks that are alike.
    assert len(world.blocks) == 1
