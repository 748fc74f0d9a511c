"""What travels between simulated hosts: a segment, a datagram, or the news that one got nowhere."""

from __future__ import annotations

# The kinds. Those up to RST are TCP's (RFC 9293 section 3.1), each with the flags its name says;
# all but SYN and RST acknowledge too.
SYN = 1
SYN_ACK = 2
DATA = 3
ACK = 4
FIN = 5
RST = 6
# A keep-alive or window probe: carries nothing and asks for an ACK.
PROBE = 7
# UDP (RFC 768).
DATAGRAM = 8
# ICMP's destination unreachable (RFC 792, RFC 4443 section 3.1): `about` is the packet that could
# not be delivered, `error` the errno that its socket shall have.
UNREACHABLE = 9

KIND_NAMES = (
    "", "SYN", "SYN_ACK", "DATA", "ACK", "FIN", "RST", "PROBE", "DATAGRAM", "UNREACHABLE",
)  # fmt: skip

# What one Ethernet frame carries of a TCP stream with time stamps (1500 - 20 - 32).
SEGMENT = 1448

# An IP address in its one canonical form, and a port.
Endpoint = tuple[str, int]


class Packet:
    """One packet, or a burst of a stream's segments that travel as one; never changed once sent.

    `size` is its bytes on the wire: the payload and a header of IP and TCP (40, IPv6 60) for each
    segment of a burst, of IP and UDP (28, 48), or what an ICMP message has (56, 96). `sacked` is
    what its sender has received beyond `acknowledged`, from and up to where (RFC 2018).
    """

    __slots__ = (
        "about",
        "acknowledged",
        "destination",
        "error",
        "kind",
        "payload",
        "sacked",
        "sequence",
        "size",
        "source",
        "window",
    )

    def __init__(
        self,
        kind: int,
        source: Endpoint,
        destination: Endpoint,
        payload: bytes | memoryview = b"",
        sequence: int = 0,
        acknowledged: int = 0,
        window: int = 0,
    ) -> None:
        self.kind = kind
        self.source = source
        self.destination = destination
        self.payload = payload
        self.sequence = sequence
        self.acknowledged = acknowledged
        self.window = window
        self.sacked: tuple[tuple[int, int], ...] = ()
        self.about: Packet | None = None
        self.error = 0
        length = len(payload)
        if kind >= DATAGRAM:
            header = 28 if kind == DATAGRAM else 56
            self.size = length + (header + 20 if ":" in destination[0] else header)
            return
        header = 60 if ":" in destination[0] else 40
        if length > SEGMENT:
            header *= -(-length // SEGMENT)
        self.size = length + header

    def __repr__(self) -> str:
        return (
            f"<{KIND_NAMES[self.kind]} {self.source[0]}:{self.source[1]} > "
            f"{self.destination[0]}:{self.destination[1]} {len(self.payload)} bytes, "
            f"sequence {self.sequence}, acknowledged {self.acknowledged}, window {self.window}>"
        )


def readdressed(packet: Packet, source: Endpoint, destination: Endpoint) -> Packet:
    """Return a copy of a packet between other endpoints, as address translation makes it."""
    copy = Packet(
        packet.kind,
        source,
        destination,
        packet.payload,
        packet.sequence,
        packet.acknowledged,
        packet.window,
    )
    copy.sacked = packet.sacked
    copy.about = packet.about
    copy.error = packet.error
    return copy


def unreachable(packet: Packet, reporter: str, error: int) -> Packet:
    """Return what tells a packet's sender that `reporter` (an IP address) could not deliver it."""
    report = Packet(UNREACHABLE, (reporter, 0), packet.source)
    report.about = packet
    report.error = error
    return report
