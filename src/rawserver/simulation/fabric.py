"""The net between the hosts: takes packets from one and brings them to another in their time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, BinaryIO

from rawserver.simulation.attachment import Receiver
from rawserver.simulation.firewall import Firewall
from rawserver.simulation.link import Access, Direction, Line, Link
from rawserver.simulation.nat import PORT_RESTRICTED_CONE, Nat, NatKind
from rawserver.simulation.packet import DATAGRAM, SEGMENT, UNREACHABLE, Packet, unreachable
from rawserver.simulation.path import Path
from rawserver.simulation.pcap import Capture
from rawserver.simulation.rules import Deliver, Drop, Fail, Rules
from rawserver.simulation.topology import Topology, World


class Fabric:
    """The net that all hosts of a world are attached to.

    What an address is connected by may be said before it is attached, and stays when it is
    detached. Packets of one path keep their order, but for those that a rule or a link delays.
    """

    def __init__(self, world: World) -> None:
        self.rules = Rules()
        self._world = world
        self._call_at = world.call_at
        self._handles = self.rules.handles
        self._topology = Topology(world, self.send)
        self._paths = self._topology.paths

    # Who is there, and what they are connected by.

    def attach(self, ip: str, receiver: Receiver) -> None:
        """Bring what is sent to an address to a receiver from now on."""
        self._topology.place(ip, receiver)

    def detach(self, ip: str) -> None:
        """Let what is sent to an address vanish, what is under way to it too.

        Of an address to which nobody was ever attached the sender hears that there is no way
        (EHOSTUNREACH).
        """
        self._topology.place(ip, None)

    def set_access(self, access: Access | None, *ips: str) -> Line | None:
        """Connect addresses by a line that they share; None for nothing but the backbone.

        Returns the line at work, which counts what it carries.
        """
        return self._topology.set_access(access, ips)

    def change_access(self, access: Access, *ips: str) -> None:
        """Have the lines of addresses be otherwise from now on; ValueError for one without.

        What is in their queues stays there, and what they counted is counted on.
        """
        self._topology.change_access(access, ips)

    def line_of(self, ip: str) -> Line | None:
        """Return the line that connects an address."""
        return self._topology.at(ip).line

    def set_link(self, source: str, destination: str, link: Link | None) -> None:
        """Have a link of its own from one address to another instead of the backbone.

        It is one direction; None ends it.
        """
        self._topology.set_link(source, destination, link)

    @property
    def backbone(self) -> Link:
        """What is between the lines of all hosts."""
        return self._topology.backbone

    def set_backbone(self, link: Link) -> None:
        """Set what is between the lines of all hosts; it has no limit of bandwidth."""
        self._topology.set_backbone(link)

    def add_firewall(self, *ips: str, open_ports: Collection[int] = (), **options: Any) -> Firewall:
        """Put addresses behind a firewall that lets in what they asked for, and some ports.

        The other options are those of `Firewall`.
        """
        firewall = Firewall(lambda: self._world.now, open_ports=open_ports, **options)
        self._topology.set_firewall(firewall, ips)
        return firewall

    def remove_firewall(self, *ips: str) -> None:
        """Let everything in again."""
        self._topology.set_firewall(None, ips)

    def add_nat(
        self, public_ip: str, *ips: str, kind: NatKind = PORT_RESTRICTED_CONE, **options: Any
    ) -> Nat:
        """Put addresses behind a router at a public one; the options are those of `Nat`.

        The line of the public address is the one that they share. Private addresses are unique
        in a world, like all others. The public address may itself be put behind a router.
        """
        random = self._world.child_random(f"nat {public_ip}")
        nat = Nat(self, public_ip, lambda: self._world.now, random, kind, **options)
        self._topology.place(public_ip, nat)
        self._topology.set_nat(nat, ips)
        return nat

    def put_behind(self, nat: Nat | None, *ips: str) -> None:
        """Put addresses behind a router, or behind none."""
        self._topology.set_nat(nat, ips)

    def nat_of(self, ip: str) -> Nat | None:
        """Return the router that an address is behind."""
        return self._topology.at(ip).nat

    def capture(self, file: BinaryIO, *ips: str) -> Capture:
        """Write what addresses send and receive to a file from now on, as pcap."""
        capture = Capture(file)
        self._topology.set_tap(capture.write, ips)
        return capture

    def end_capture(self, *ips: str) -> None:
        """Write no longer."""
        self._topology.set_tap(None, ips)

    # Packets.

    def send(self, packet: Packet) -> int:
        """Take a packet from the host that has its source's address.

        Returns 0, or for a datagram the errno with which a rule has it fail. For what a rule has
        fail of a stream, the sender receives an UNREACHABLE.
        """
        source = packet.source[0]
        try:
            path = self._paths[source].get(packet.destination[0])
        except KeyError:
            path = None
        if path is None:
            path = self._topology.make_path(source, packet.destination[0])
        if self._handles or not path.is_steady:
            return self._send_specially(path, packet)
        at = self._world.now
        up = path.up
        if up is not None:
            at = up.leaves_at(at, packet.size)
            if at < 0:
                self.drop("queue full", packet)
                return 0
        at += path.delay
        down = path.down
        if down is None or down.bandwidth is None:
            if at < path.last:
                at = path.last
            path.last = at
            self._call_at(at, path.tie, path.arrive, (packet,))
            return 0
        # As `_bring_to_queue`.
        if at < path.last_entry:
            at = path.last_entry
        path.last_entry = at
        left_at = at + packet.size / down.bandwidth
        if left_at < path.last:
            left_at = path.last
        path.last = left_at
        self._call_at(left_at, path.tie, self._enter_down, (path, down, at, packet))
        return 0

    def hand_down(self, public_ip: str, packet: Packet) -> None:
        """Bring a packet from a router to a host behind it."""
        self._send_specially(self._path(public_ip, packet.destination[0]), packet)

    def drop(self, reason: str, packet: Packet) -> None:
        """Note that a packet goes no further."""
        self._world.trace.drop(self._world.now, reason, packet)

    def burst_bytes(self, source: str, destination: str) -> int:
        """Return how much of a stream may travel as one packet from one address to another.

        One segment where single packets get lost, or are judged by rules.
        """
        return SEGMENT if self._handles else self._path(source, destination).burst_bytes()

    def _path(self, source: str, destination: str) -> Path:
        try:
            return self._paths[source][destination]
        except KeyError:
            return self._topology.make_path(source, destination)

    def _send_specially(self, path: Path, packet: Packet) -> int:
        late = 0.0
        if self._handles:
            verdict = self.rules.judge(packet)
            if isinstance(verdict, Drop):
                self.drop("rule", packet)
                return 0
            if isinstance(verdict, Fail):
                return self._fail(packet, verdict.error)
            if isinstance(verdict, Deliver):
                late = verdict.after
        if path.sender is not None:
            path.sender.note_sent(packet)
        now = self._world.now
        if path.is_constant:
            self._put_on_way(path, packet, now + path.delay + late, not late)
            return 0
        at = self._pass_links(path, packet, now)
        if at < 0:
            return 0
        if packet.kind == DATAGRAM and not path.is_clean:
            late += self._stray(path, packet, at)
        self._put_on_way(path, packet, at + late, not late)
        return 0

    def _pass_links(self, path: Path, packet: Packet, now: float) -> float:
        """Return when a packet reaches its receiver's queue, -1.0 if never."""
        at = now
        is_lost = False
        for link in path.directions:
            if link.bandwidth is not None:
                at = link.leaves_at(at, packet.size)
                if at < 0:
                    self.drop("queue full", packet)
                    return -1.0
            at += link.constant
            if link.varying is not None:
                at += link.sample()
            if link.lost is not None:
                is_lost = link.loses(packet, at) or is_lost
        down = path.down
        if down is not None:
            at += down.constant
            if down.varying is not None:
                at += down.sample()
            if down.lost is not None:
                is_lost = down.loses(packet, at) or is_lost
        if is_lost:
            self.drop("lost", packet)
            return -1.0
        return at

    def _stray(self, path: Path, packet: Packet, at: float) -> float:
        """Send second copies of a datagram; returns how much later than its turn it comes."""
        stray = 0.0
        for link in path.every():
            if link.is_clean:
                continue
            stray += link.strays()
            repeated = link.repeats()
            if repeated:
                self._world.trace.event(self._world.now, "duplicated", *packet.source)
                self._put_on_way(path, packet, at + repeated, False)
        return stray

    def _put_on_way(self, path: Path, packet: Packet, at: float, keep_order: bool) -> None:
        down = path.down
        if down is not None and down.bandwidth is not None:
            self._bring_to_queue(path, down, down.bandwidth, packet, at, keep_order)
            return
        if keep_order:
            if at < path.last:
                at = path.last
            path.last = at
        if at <= self._world.now:
            # From a host to the router beside it, or back.
            path.arrive(packet)
        else:
            self._world.call_at(at, path.tie, path.arrive, (packet,))

    def _bring_to_queue(
        self,
        path: Path,
        down: Direction,
        bandwidth: float,
        packet: Packet,
        at: float,
        keep_order: bool,
    ) -> None:
        if keep_order:
            if at < path.last_entry:
                at = path.last_entry
            path.last_entry = at
        # As if the queue were empty: mostly it is, and then one event is enough.
        left_at = at + packet.size / bandwidth
        if keep_order:
            # A small packet leaves an empty queue sooner, but not before a large one ahead of it.
            if left_at < path.last:
                left_at = path.last
            path.last = left_at
        self._world.call_at(left_at, path.tie, self._enter_down, (path, down, at, packet))

    def _enter_down(self, path: Path, down: Direction, entered_at: float, packet: Packet) -> None:
        at = down.leaves_at(entered_at, packet.size)
        if at < 0:
            self.drop("queue full", packet)
        elif at <= self._world.now:
            path.arrive(packet)
        else:
            self._world.call_at(at, path.tie, path.arrive, (packet,))

    def _fail(self, packet: Packet, error: int) -> int:
        self.drop("rule", packet)
        if packet.kind == DATAGRAM:
            return error
        if packet.kind != UNREACHABLE:
            report = unreachable(packet, packet.source[0], error)
            sender = self._topology.at(packet.source[0])
            self._world.call_at(self._world.now, self._world.draw_tie(), sender.deliver, (report,))
        return 0
