import errno
import io
import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path
from struct import pack, unpack, unpack_from
from typing import NamedTuple

import pytest

from kit.fake_world import datagram
from rawserver.simulation.packet import (
    ACK,
    DATA,
    FIN,
    PROBE,
    RST,
    SEGMENT,
    SYN,
    SYN_ACK,
    Packet,
    unreachable,
)
from rawserver.simulation.pcap import Capture, checksum, first_sequence, ip_packets

ENDS_4 = (("10.0.0.1", 1000), ("10.0.0.2", 2000))
ENDS_6 = (("fd00::1", 1000), ("fd00::2", 2000))


def ones_sum(data: bytes) -> int:
    """Add up 16-bit words as RFC 1071 does: 0xFFFF for data that holds its right checksum."""
    data += b"\0" * (len(data) % 2)
    total = sum(unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Ip(NamedTuple):
    source: str
    destination: str
    protocol: int
    body: bytes


def read_ip(data: bytes) -> Ip:
    """Parse an IP packet, and check all that can be checked."""
    if data[0] >> 4 == 4:
        assert data[0] == 0x45
        assert ones_sum(data[:20]) == 0xFFFF
        assert unpack_from("!H", data, 2) == (len(data),)
        protocol, addresses, body = data[9], (data[12:16], data[16:20]), data[20:]
    else:
        assert data[0] >> 4 == 6
        assert unpack_from("!H", data, 4) == (len(data) - 40,)
        protocol, addresses, body = data[6], (data[8:24], data[24:40]), data[40:]
    pseudo = b"".join(addresses) + pack("!II", len(body), protocol)
    assert ones_sum(body if protocol == 1 else pseudo + body) == 0xFFFF
    return Ip(str(ip_address(addresses[0])), str(ip_address(addresses[1])), protocol, body)


def tcp_of(packet: Packet) -> tuple[int, ...]:
    """Return ports, sequence, acknowledgement, offset, flags and window of the one segment."""
    [data] = ip_packets(packet)
    return unpack_from("!HHIIBBH", read_ip(data).body)


@pytest.mark.parametrize("ends", [ENDS_4, ENDS_6])
@pytest.mark.parametrize("payload", [b"", b"a", b"ab", b"\xff" * 1001])
def test_datagrams(ends: tuple[tuple[str, int], tuple[str, int]], payload: bytes) -> None:
    [data] = ip_packets(datagram(*ends, payload))
    ip = read_ip(data)
    assert (ip.source, ip.destination, ip.protocol) == (ends[0][0], ends[1][0], 17)
    assert unpack_from("!HHH", ip.body) == (1000, 2000, 8 + len(payload))
    assert ip.body[8:] == payload


def test_a_checksum_of_zero_is_sent_as_all_ones() -> None:
    ends = ENDS_4
    [data] = ip_packets(datagram(*ends, b"\0\0"))
    [value] = unpack_from("!H", data, 26)
    [zero] = ip_packets(datagram(*ends, pack("!H", value)))
    assert zero[26:28] == b"\xff\xff"
    read_ip(zero)


@pytest.mark.parametrize("ends", [ENDS_4, ENDS_6])
@pytest.mark.parametrize(
    ("kind", "flags"),
    [(SYN, 2), (SYN_ACK, 18), (DATA, 24), (ACK, 16), (FIN, 17), (RST, 20), (PROBE, 16)],
)
def test_segments(ends: tuple[tuple[str, int], tuple[str, int]], kind: int, flags: int) -> None:
    payload = b"abc" if kind == DATA else b""
    packet = Packet(kind, *ends, payload, 5, 7, 0x12345)
    source, destination, sequence, acknowledged, offset, seen, window = tcp_of(packet)
    assert (source, destination, seen) == (1000, 2000, flags)
    assert sequence == (first_sequence(*ends) + 5) % 2**32
    expected = (first_sequence(ends[1], ends[0]) + 7) % 2**32 if kind != SYN else 0
    assert acknowledged == expected
    assert window == (0xFFFF if kind in (SYN, SYN_ACK) else 0x123)
    [data] = ip_packets(packet)
    assert read_ip(data).body[(offset >> 4) * 4 :] == payload


def test_sequence_numbers_wrap() -> None:
    sequence = tcp_of(Packet(DATA, *ENDS_4, b"x", sequence=2**32 + 5))[2]
    assert sequence == (first_sequence(*ENDS_4) + 5) % 2**32


def test_a_burst_is_written_as_its_segments() -> None:
    payload = bytes(range(256)) * 12
    bodies = [read_ip(data).body for data in ip_packets(Packet(DATA, *ENDS_4, payload, 1))]
    assert [len(body) - 20 for body in bodies] == [SEGMENT, SEGMENT, 3072 - 2 * SEGMENT]
    assert b"".join(body[20:] for body in bodies) == payload
    first = first_sequence(*ENDS_4) + 1
    assert [unpack_from("!I", body, 4)[0] for body in bodies] == [
        (first + start) % 2**32 for start in (0, SEGMENT, 2 * SEGMENT)
    ]
    # Only the last one asks to be handed on at once.
    assert [body[13] for body in bodies] == [16, 16, 24]


@pytest.mark.parametrize(
    ("ends", "error", "expected"),
    [
        (ENDS_4, errno.ECONNREFUSED, (3, 3)),
        (ENDS_4, errno.EHOSTUNREACH, (3, 1)),
        (ENDS_4, errno.EPERM, (3, 13)),
        (ENDS_6, errno.ECONNREFUSED, (1, 4)),
        (ENDS_6, errno.EHOSTUNREACH, (1, 3)),
    ],
)
def test_unreachable_quotes_what_did_not_arrive(
    ends: tuple[tuple[str, int], tuple[str, int]], error: int, expected: tuple[int, int]
) -> None:
    about = datagram(*ends, b"a long payload")
    [data] = ip_packets(unreachable(about, ends[1][0], error))
    ip = read_ip(data)
    assert (ip.body[0], ip.body[1]) == expected
    assert (ip.source, ip.destination) == (ends[1][0], ends[0][0])
    header = 20 if ends is ENDS_4 else 40
    assert ip.body[8:] == ip_packets(about)[0][: header + 8]


def write_conversation(file: io.BufferedIOBase) -> Capture:
    capture = Capture(file)
    here, there = ENDS_4
    capture.write(1000.0, Packet(SYN, here, there, b"", 0, 0, 65535))
    capture.write(1000.01, Packet(SYN_ACK, there, here, b"", 0, 1, 65535))
    capture.write(1000.02, Packet(ACK, here, there, b"", 1, 1, 65536))
    capture.write(1000.123456789, Packet(DATA, here, there, bytes(2 * SEGMENT), 1, 1, 65536))
    capture.write(1001.0, datagram(*ENDS_6, b"abc"))
    capture.write(1002.0, unreachable(datagram(*ENDS_4), "10.0.0.2", errno.ECONNREFUSED))
    return capture


def test_the_file_reads_back() -> None:
    file = io.BytesIO()
    assert write_conversation(file).packets == 7
    data = file.getvalue()
    assert unpack_from("<IHHiIII", data) == (0xA1B23C4D, 2, 4, 0, 0, 262144, 101)
    position, times, protocols = 24, [], []
    while position < len(data):
        seconds, nanoseconds, kept, length = unpack_from("<IIII", data, position)
        assert kept == length
        times.append(seconds * 10**9 + nanoseconds)
        protocols.append(read_ip(data[position + 16 : position + 16 + kept]).protocol)
        position += 16 + kept
    assert times[0] == 1000 * 10**9
    assert times[3:5] == [1000123456789] * 2
    assert protocols == [6, 6, 6, 6, 6, 17, 1]


@pytest.mark.parametrize("program", ["tcpdump", "tshark"])
def test_other_programs_read_it(program: str, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    path = tmp_path / "a.pcap"
    with path.open("wb") as file:
        write_conversation(file)
    options = ["-vvn"] if program == "tcpdump" else ["-o", "tcp.check_checksum:TRUE", "-V"]
    done = subprocess.run(
        [program, *options, "-r", str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "10.0.0.1" in done.stdout
    assert "fd00::2" in done.stdout
    assert "incorrect" not in done.stdout.lower().replace("[should be", "incorrect")


def test_checksum_of_rfc_1071() -> None:
    # The example of section 3: the sum is ddf2.
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xDDF2 ^ 0xFFFF
    assert checksum(b"\x01") == 0x0100 ^ 0xFFFF
