from rawserver import RawServer
from rawserver.simulation.world import World


def test_a_task_is_not_put_off_by_running_the_world_in_small_steps() -> None:
    world = World()
    times: list[float] = []

    def program(raw_server: RawServer) -> None:
        raw_server.add_task(lambda: times.append(world.now), 1.0)

    world.add_host("a", "10.0.0.1").boot(program)
    began_at = world.now
    while world.now < began_at + 3.0:
        world.run(seconds=0.25)
    (at,) = times
    assert abs(at - began_at - 1.0) < 1e-4
