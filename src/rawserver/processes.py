"""Services of several processes: many on one port, one after another, started by a manager.

`prefork` runs several that share a port; `hand_over` gives listening sockets to a successor, which
says `notify_ready`; `inherited_serversockets` are those that a service manager opened.
"""

from rawserver.engine.os_handover import Handover, HandoverFailed, hand_over
from rawserver.engine.os_inherited_sockets import InheritedSocket, inherited_serversockets
from rawserver.engine.os_notify import notify, notify_ready
from rawserver.engine.os_prefork import PreforkFailed, prefork

__all__ = [
    "Handover",
    "HandoverFailed",
    "InheritedSocket",
    "PreforkFailed",
    "hand_over",
    "inherited_serversockets",
    "notify",
    "notify_ready",
    "prefork",
]
