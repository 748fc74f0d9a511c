"""asyncio on a RawServer: coroutines beside handlers, in one thread and on one poller.

`run` and `new_event_loop` carry any asyncio program; `connect` and `serve` give a coroutine the
RawServer's own connections. `import rawserver` alone does not load any of it.
"""

from rawserver.engine.asyncio_runner import EventLoop, new_event_loop, run
from rawserver.engine.asyncio_selector import RawServerSelector
from rawserver.engine.asyncio_serving import serve
from rawserver.engine.asyncio_streams import Stream, connect

__all__ = [
    "EventLoop",
    "RawServerSelector",
    "Stream",
    "connect",
    "new_event_loop",
    "run",
    "serve",
]
