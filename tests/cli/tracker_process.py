"""Our tracker over HTTPS and UDP, as a process: its arguments are a certificate and its key."""

import sys

from rawserver import RawServer
from rawserver.services.tracker import Tracker
from rawserver.tls import TlsServer

raw_server = RawServer()
tracker = Tracker(raw_server, interval=60)
tracker.listen(0, "127.0.0.1", tls=TlsServer(*sys.argv[1:3]))
tracker.listen_udp(0, "127.0.0.1")
print(tracker.port, tracker.udp_port, flush=True)
raw_server.listen_forever()
