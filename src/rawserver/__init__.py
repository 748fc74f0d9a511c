"""RawServer: one loop through which a whole process reaches the network.

This is the engine, and needs nothing but the standard library. BitTorrent on it is in
`rawserver.services`; the command line in `rawserver.cli`.
"""

from rawserver.engine import *  # noqa: F403
from rawserver.engine import __all__ as __all__
