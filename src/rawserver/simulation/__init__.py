"""A simulated internet under the same RawServer.

`World` is where to begin; docs/simulation.md tells the whole. Names are imported when they are
used: the plugin of pytest is loaded in every run of pytest, and needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rawserver.simulation.chaos import Chaos, plan
    from rawserver.simulation.determinism import Divergence, check_determinism
    from rawserver.simulation.fault import Fault
    from rawserver.simulation.guard import RealWorldError, real_world_allowed
    from rawserver.simulation.host import Host
    from rawserver.simulation.limits import MachineLimits
    from rawserver.simulation.link import Access, Link
    from rawserver.simulation.outcome import Outcome
    from rawserver.simulation.packet import Packet
    from rawserver.simulation.rules import Deliver, Drop, Fail, Pass
    from rawserver.simulation.runner import run_seed
    from rawserver.simulation.shrink import Shrunk, shrink
    from rawserver.simulation.simulated_network import SimulatedNetwork
    from rawserver.simulation.world import Event, World

# What there is beside them has modules of its own: `presets`, `rules`, `latency`, `loss`, `nat`.
_MODULES = {
    "Access": "link",
    "Chaos": "chaos",
    "Deliver": "rules",
    "Divergence": "determinism",
    "Drop": "rules",
    "Event": "world",
    "Fail": "rules",
    "Fault": "fault",
    "Host": "host",
    "Link": "link",
    "MachineLimits": "limits",
    "Outcome": "outcome",
    "Packet": "packet",
    "Pass": "rules",
    "RealWorldError": "guard",
    "Shrunk": "shrink",
    "SimulatedNetwork": "simulated_network",
    "World": "world",
    "check_determinism": "determinism",
    "plan": "chaos",
    "real_world_allowed": "guard",
    "run_seed": "runner",
}

__all__ = [
    "Access",
    "Chaos",
    "Deliver",
    "Divergence",
    "Drop",
    "Event",
    "Fail",
    "Fault",
    "Host",
    "Link",
    "MachineLimits",
    "Outcome",
    "Packet",
    "Pass",
    "RealWorldError",
    "Shrunk",
    "SimulatedNetwork",
    "World",
    "check_determinism",
    "plan",
    "real_world_allowed",
    "run_seed",
    "shrink",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value
