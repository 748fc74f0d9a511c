from contextlib import suppress

import pytest

from rawserver.engine.rawserver import RawServer
from rawserver.simulation.chaos import FAULT_KINDS, Chaos, plan
from rawserver.simulation.fault import Fault, from_json, to_json
from rawserver.simulation.host import Host
from rawserver.simulation.presets import DSL
from rawserver.simulation.world import World

NAMES = ["a", "b", "c", "d"]
ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]


class Pinging:
    """Four hosts that send datagrams to each other all the time."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.received = 0
        for name, address in zip(NAMES, ADDRESSES, strict=True):
            host = self.world.add_host(name, address)
            self.world.fabric.set_access(DSL, *host.addresses)
            self.boot(host)
        self.chaos = Chaos(self.world, reboot=self.boot)

    def boot(self, host: Host) -> None:
        host.boot(self.program)

    def program(self, raw_server: RawServer) -> None:
        own = raw_server.network.primary_address()
        sock = raw_server.create_udpsocket(7, own)
        udp = raw_server.start_listening_udp(sock, self)
        turn = 0

        def ping() -> None:
            nonlocal turn
            turn += 1
            raw_server.add_task(ping, 0.05)
            others = [address for address in ADDRESSES if address != own]
            # The system may say that it cannot, which is chaos.
            with suppress(OSError):
                udp.write_to(bytes([turn % 256]) * 100, (others[turn % 3], 7))

        ping()

    def data_came_in(self, address: object, datagram: bytes) -> None:
        self.received += 1


def outcome(seed: int, faults: list[Fault], seconds: float = 15) -> tuple[int, str, list[str]]:
    run = Pinging(seed)
    run.chaos.start(faults)
    run.world.run(seconds=seconds)
    notes = [f"{note.at:.6f} {note.what} {note.fault}" for note in run.chaos.notes]
    return run.received, run.world.trace.hexdigest(), notes


def test_a_plan_follows_from_its_seed() -> None:
    faults = plan(7, NAMES, 100)
    assert faults == plan(7, NAMES, 100)
    assert faults != plan(8, NAMES, 100)
    assert from_json(to_json(faults)) == faults


def test_all_is_well_at_the_end_of_a_plan() -> None:
    for seed in range(20):
        for fault in plan(seed, NAMES, 60):
            assert 0 <= fault.at
            assert fault.at + fault.seconds <= 60.001


def test_every_kind_comes_in_some_plan() -> None:
    seen = {fault.kind for seed in range(50) for fault in plan(seed, NAMES, 60)}
    assert seen == set(FAULT_KINDS)


def test_a_plan_is_of_the_kinds_that_were_asked_for() -> None:
    faults = plan(1, NAMES, 300, kinds=["loss", "pause"])
    assert {fault.kind for fault in faults} <= {"loss", "pause"}
    assert len(faults) > 50
    with pytest.raises(ValueError, match="no such fault: earthquake"):
        plan(1, NAMES, 300, kinds=["loss", "earthquake"])


def test_how_often_and_how_long_may_be_said() -> None:
    faults = plan(1, NAMES, 1000, every_seconds=0.5, mean_seconds=0.1)
    assert 1500 < len(faults) < 2500
    assert sum(fault.seconds for fault in faults) / len(faults) == pytest.approx(0.1, rel=0.2)


def test_one_host_has_no_partition() -> None:
    kinds = {fault.kind for seed in range(50) for fault in plan(seed, ["a"], 60)}
    assert kinds == set(FAULT_KINDS) - {"partition", "one-way cut"}
    with pytest.raises(ValueError, match="no host"):
        plan(1, [], 60)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_chaos_is_the_same_run(seed: int) -> None:
    faults = plan(seed, NAMES, 10, every_seconds=0.5)
    assert outcome(seed, faults) == outcome(seed, faults)


def test_a_part_of_a_plan_is_the_same_but_for_what_is_left_out() -> None:
    faults = plan(3, NAMES, 10, every_seconds=0.5)
    whole = outcome(3, faults)
    for left_out in (faults[0], faults[-1]):
        rest = [fault for fault in faults if fault is not left_out]
        part = outcome(3, rest)
        assert part[2] == [note for note in whole[2] if str(left_out) not in note]
        assert part[1] != whole[1]


def test_all_works_again_when_chaos_has_ended() -> None:
    quiet = Pinging(1)
    quiet.world.run(seconds=5)
    for seed in range(3):
        run = Pinging(1)
        run.chaos.start(plan(seed, NAMES, 10, every_seconds=0.3))
        run.world.run(seconds=12)
        before = run.received
        run.world.run(seconds=5)
        assert run.received - before == pytest.approx(quiet.received, rel=0.02)
        assert not run.world.fabric.rules
        assert len(run.chaos.notes) % 2 == 0


def test_a_world_may_leave_faults_out() -> None:
    faults = [Fault(float(at), 1.0, "pause", {"host": "a"}) for at in range(3)]
    run = Pinging(1)
    run.world.kept_faults = frozenset([0, 2])
    run.chaos.start(faults)
    run.world.run(seconds=10)
    assert run.world.planned_faults == faults
    assert [note.fault for note in run.chaos.notes if note.what == "begins"] == faults[::2]


def test_chaos_may_be_stopped() -> None:
    run = Pinging(1)
    run.chaos.start(
        [
            Fault(0.0, 50.0, "loss", {"hosts": NAMES, "probability": 1.0}),
            Fault(0.0, 50.0, "crash", {"host": "a", "silent": True}),
            Fault(5.0, 50.0, "pause", {"host": "b"}),
        ]
    )
    # What was sent before it began arrives.
    run.world.run(seconds=0.5)
    before = run.received
    run.world.run(seconds=1)
    assert run.received == before
    run.chaos.stop()
    assert [note.what for note in run.chaos.notes] == ["begins", "begins", "ends", "ends"]
    run.world.run(seconds=10)
    assert run.received > 500
    assert len(run.chaos.notes) == 4


def test_a_kind_that_there_is_not_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such fault"):
        Chaos(World()).start([Fault(0.0, 1.0, "earthquake", {})])
