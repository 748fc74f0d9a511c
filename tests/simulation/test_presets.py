import pytest

from kit.fake_world import FakeReceiver, FakeWorld, datagram
from rawserver.simulation import presets
from rawserver.simulation.fabric import Fabric
from rawserver.simulation.link import Access
from rawserver.simulation.packet import DATA, SEGMENT, Packet

ALL = [
    presets.DATA_CENTRE,
    presets.LAN,
    presets.FIBRE,
    presets.CABLE,
    presets.DSL,
    presets.ADSL,
    presets.WIFI,
    presets.MOBILE,
    presets.SATELLITE,
]
A, B = ("10.0.0.1", 1), ("10.0.0.2", 2)


def seconds_for(count: int, access: Access, *, up: bool) -> float:
    """Return how long so many full segments take, one way over an access."""
    world = FakeWorld()
    fabric = Fabric(world)
    receiver = FakeReceiver(world)
    fabric.attach(B[0], receiver)
    fabric.set_access(access, A[0] if up else B[0])
    for number in range(count):
        fabric.send(Packet(DATA, A, B, bytes(SEGMENT), number))
    world.run()
    assert len(receiver.packets) == count
    return world.now - 1000


def test_adsl_is_fast_down_and_slow_up() -> None:
    up = seconds_for(60, presets.ADSL, up=True)
    down = seconds_for(60, presets.ADSL, up=False)
    # 60 segments are 0.72 Mbit with their headers.
    assert up == pytest.approx(0.045 + 0.71424, rel=0.01)
    assert down == pytest.approx(0.045 + 0.71424 / 16, rel=0.01)


def test_a_queue_is_as_long_as_was_said() -> None:
    link = presets.access(8, 8, queue_seconds=0.5).up
    assert link.bandwidth == 1_000_000
    assert link.queue_bytes == 500_000
    assert presets.access(8, 0.1, queue_seconds=0.01).up.queue_bytes == 16 * 1500


@pytest.mark.parametrize("access", ALL)
def test_every_preset_carries_a_datagram(access: Access) -> None:
    world = FakeWorld()
    fabric = Fabric(world)
    receiver = FakeReceiver(world)
    fabric.attach(B[0], receiver)
    fabric.set_access(access, A[0])
    fabric.set_access(access, B[0])
    for backbone in (presets.REGION, presets.WORLD_WIDE):
        fabric.set_backbone(backbone)
        for _ in range(20):
            fabric.send(datagram(A, B, b"x"))
    world.run()
    if access.up.loss is None:
        assert len(receiver.packets) == 40
    assert len(receiver.packets) + world.trace.drops.get("lost", 0) == 40
    assert world.now < 1003


def test_homes_are_faster_down_than_up_or_as_fast() -> None:
    for home in presets.HOMES:
        assert home.up.bandwidth is not None
        assert home.down.bandwidth is not None
        assert home.up.bandwidth <= home.down.bandwidth
