"""What tshark says of captures of simulated hosts.

scripts/test does not install it, for it is 120 MB with what it needs: `apt-get install tshark`
before a change to what captures hold. tests/simulation/test_pcap.py checks each byte without it.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from rawserver.cli.scenarios.nated_peers import scenario as nated_peers
from rawserver.cli.scenarios.swarm_world import TRACKER_PORT, TRACKER_UDP_PORT
from rawserver.engine import RawServer, SingleSocket
from rawserver.simulation import Access, Link, World
from rawserver.simulation.loss import RandomLoss
from rawserver.simulation.runner import run_seed

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

SECONDS = 60
# Segments that come again make it forget what it has put together, unless it is told of them.
OPTIONS = {
    "ip.check_checksum": "TRUE",
    "tcp.check_checksum": "TRUE",
    "tcp.reassemble_out_of_order": "TRUE",
    "udp.check_checksum": "TRUE",
}
BAD = (
    "ip.checksum.status == Bad or tcp.checksum.status == Bad or udp.checksum.status == Bad"
    " or icmp.checksum.status == Bad or icmpv6.checksum.status == Bad or _ws.malformed"
)
BODY = bytes(range(256)) * 1000


def tshark(capture: Path, *arguments: str) -> list[str]:
    """Return the lines that tshark prints of a capture."""
    options = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}:{value}")]
    done = subprocess.run(
        ["tshark", *options, "-r", str(capture), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    return done.stdout.splitlines()


def shown(capture: Path, wanted: str, *fields: str) -> list[list[str]]:
    """Return fields of the packets that a display filter shows."""
    columns = [word for field in fields or ["frame.number"] for word in ("-e", field)]
    lines = tshark(capture, "-Y", wanted, "-T", "fields", *columns)
    return [line.split("\t") for line in lines]


class Page:
    """Answers each request with a page, and closes."""

    def external_connection_made(self, connection: SingleSocket) -> None:
        pass

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        connection.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)
        connection.shutdown(1)


class Reader:
    def __init__(self) -> None:
        self.failures = 0

    def connection_made(self, connection: SingleSocket) -> None:
        connection.write(b"GET /page HTTP/1.0\r\n\r\n")

    def data_came_in(self, connection: SingleSocket, data: bytes) -> None:
        pass

    def connection_failed(self, address: object, error: OSError) -> None:
        self.failures += 1


def reads_pages(world: World) -> None:
    """By IPv4 and IPv6 on a line that loses packets, and one where nobody listens."""
    server = world.add_host("server", "192.0.2.1", "2001:db8::1")
    laptop = world.add_host("laptop", "198.51.100.7", "2001:db8::7")
    down = Link(bandwidth=1e6, loss=RandomLoss(0.03))
    world.fabric.set_access(Access(up=Link(bandwidth=1e6), down=down), *laptop.addresses)
    reader = Reader()

    def serve(raw_server: RawServer) -> None:
        raw_server.start_listening(raw_server.create_serversocket(80), Page())

    def read(raw_server: RawServer) -> None:
        for ip in server.addresses:
            raw_server.start_connection((ip, 80), reader)
            raw_server.start_connection((ip, 81), reader)

    server.boot(serve)
    laptop.boot(read)
    assert world.run(seconds=60, condition=lambda: reader.failures == 2)
    world.run(seconds=60)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    outcome = run_seed(reads_pages, 1, pcap=str(folder))
    assert outcome.passed, outcome.traceback
    return folder


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("homes")
    outcome = run_seed(nated_peers, 1, hosts=6, pcap=str(folder))
    assert outcome.passed, outcome.traceback
    return folder


def test_nothing_is_malformed_and_every_checksum_is_right(pages: Path, homes: Path) -> None:
    captures = [*pages.iterdir(), *homes.iterdir()]
    assert len(captures) == 2 + 8
    for capture in captures:
        assert shown(capture, BAD) == []
        # It has looked at them.
        assert shown(capture, "tcp.checksum.status == Good")


def test_no_byte_is_acknowledged_before_it_was_sent(pages: Path, homes: Path) -> None:
    for capture in (pages / "server.pcap", *homes.iterdir()):
        assert shown(capture, "tcp.analysis.ack_lost_segment") == []


@pytest.mark.parametrize("ip", ["ip.addr", "ipv6.addr"])
def test_a_connection_from_the_handshake_to_the_end(pages: Path, ip: str) -> None:
    capture = pages / "server.pcap"
    flags = shown(capture, f"{ip} and tcp.port == 80", "tcp.flags.str", "tcp.seq")
    assert [one[0].strip("·") for one in flags[:2]] == ["S", "A··S"]
    assert [one[1] for one in flags[:3]] == ["0", "0", "1"]
    # Each end says that it is done.
    ends = shown(capture, f"{ip} and tcp.port == 80 and tcp.flags.fin == 1", "tcp.srcport")
    assert len({port for [port] in ends}) == 2
    assert shown(capture, f"{ip} and tcp.analysis.retransmission")
    options = shown(capture, f"{ip} and tcp.flags.syn == 1", "tcp.options.mss_val")
    assert {value for [value] in options} == {"1460"}


def test_the_stream_is_what_was_sent(pages: Path, tmp_path: Path) -> None:
    capture = pages / "server.pcap"
    assert shown(capture, "http.response", "http.response.code") == [["200"], ["200"]]
    tshark(capture, "-q", "--export-objects", f"http,{tmp_path}")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [BODY, BODY]


def test_where_nobody_listens_the_answer_is_a_reset(pages: Path) -> None:
    refused = shown(pages / "laptop.pcap", "tcp.srcport == 81", "tcp.flags.reset", "tcp.ack")
    # What is acknowledged is the SYN.
    assert refused == [["1", "1"], ["1", "1"]]


def test_time_does_not_go_back(homes: Path) -> None:
    for capture in homes.iterdir():
        times = [float(time) for [time] in shown(capture, "frame", "frame.time_epoch")]
        assert times == sorted(times)
        assert times[0] >= 1000.0


def test_a_swarm_speaks_bittorrent(homes: Path) -> None:
    peer = homes / "homes-open-peer-1.pcap"
    assert shown(peer, "bittorrent.protocol.name")
    kinds = {kind for [kinds] in shown(peer, "bittorrent.msg.type", "bittorrent.msg.type")
             for kind in kinds.split(",")}  # fmt: skip
    # Choke to piece (BEP 3): interested, have, bitfield, request and piece are in every download.
    assert {"2", "4", "6", "7"} <= {str(int(kind, 0)) for kind in kinds}


def test_a_tracker_speaks_http_and_udp(homes: Path) -> None:
    capture = homes / "homes-tracker.pcap"
    uris = shown(capture, f"tcp.dstport == {TRACKER_PORT} and http.request", "http.request.uri")
    assert uris
    assert all(uri.startswith("/announce?info_hash=") for [uri] in uris)
    # tshark has no dissector for trackers' datagrams (BEP 15).
    asked = shown(capture, f"udp.dstport == {TRACKER_UDP_PORT}", "data.data")
    answers = shown(capture, f"udp.srcport == {TRACKER_UDP_PORT}", "data.data")
    assert any(data.startswith("0000041727101980") for [data] in asked)
    assert {data[:8] for [data] in answers} == {"00000000", "00000001"}
