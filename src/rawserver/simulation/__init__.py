"""A simulated internet under the same RawServer."""

from rawserver.simulation.host import Host
from rawserver.simulation.limits import MachineLimits
from rawserver.simulation.simulated_network import SimulatedNetwork
from rawserver.simulation.world import Event, World

__all__ = ["Event", "Host", "MachineLimits", "SimulatedNetwork", "World"]
