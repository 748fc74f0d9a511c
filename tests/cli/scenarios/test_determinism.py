"""The same seed is the same to the last packet, whatever order sets are gone through in."""

import json
import os
import subprocess
import sys

from rawserver.cli.scenario_source import built_in_scenarios

PROGRAM = """
import json
from importlib import import_module
from rawserver.cli.scenario_source import built_in_scenarios
from rawserver.simulation.world import World

hashes = {}
for name in built_in_scenarios():
    world = World(7)
    scenario = import_module(f"rawserver.cli.scenarios.{name.replace('-', '_')}").scenario
    scenario(world, hosts=6)
    hashes[name] = world.trace.hexdigest()
print(json.dumps(hashes))
"""


def test_every_scenario_leaves_the_same_trace() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        for hash_seed in ("1", "2")
    ]
    printed = [process.communicate(timeout=100)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    first, second = map(json.loads, printed)
    assert set(first) == set(built_in_scenarios())
    assert len(set(first.values())) == len(first)
    assert first == second
