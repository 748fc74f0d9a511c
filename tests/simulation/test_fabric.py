from kit.fake_world import FakeReceiver, FakeWorld
from rawserver.simulation.fabric import Fabric
from rawserver.simulation.packet import DATAGRAM, Packet


def test_a_packet_arrives_after_a_while() -> None:
    world = FakeWorld()
    fabric = Fabric(world)
    receiver = FakeReceiver(world)
    fabric.attach("10.0.0.2", receiver)
    packet = Packet(DATAGRAM, ("10.0.0.1", 1), ("10.0.0.2", 2), b"abc")
    fabric.send(packet)
    assert receiver.packets == []
    world.run()
    assert receiver.packets == [packet]
    assert receiver.times[0] > 1000.0
