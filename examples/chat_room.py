"""A chat room: each line goes to everybody. `python chat_room.py PORT [CERTIFICATE KEY]`"""

import signal
import sys

from rawserver import Config, Limits, RateLimit, RawServer, handle_signal
from rawserver.tls import TlsServer

LONGEST_LINE = 4096


class Room:
    def __init__(self):
        self.begun = {}  # the beginning of a line, by connection

    def external_connection_made(self, connection):
        self.begun[connection] = b""

    def data_came_in(self, connection, data):
        *lines, self.begun[connection] = (self.begun[connection] + data).split(b"\n")
        for line in lines:
            for everybody in self.begun:
                everybody.write(line + b"\n")  # never blocks, never calls back
        if len(self.begun[connection]) > LONGEST_LINE:
            connection.close()

    def connection_lost(self, connection):
        del self.begun[connection]

    def drain(self, connection):
        connection.write(b"The room closes.\n")
        connection.close_when_flushed()


port, *files = sys.argv[1:]
raw_server = RawServer(config=Config(write_buffer_limit=1024 * 1024))
serversocket = raw_server.create_serversocket(int(port))
raw_server.start_listening(
    serversocket,
    Room(),
    limits=Limits(total=10_000, per_ip=100, refusal=b"There is no room.\n"),
    write_stall_timeout=30.0,
    rate=RateLimit(raw_server, upload=100e6),
    tls=TlsServer(*files) if files else None,
)
raw_server.install_watchdog(threshold=0.2)
handle_signal(raw_server, signal.SIGTERM, raw_server.drain, (5.0, raw_server.doneflag.set))
print("listening on port", serversocket.getsockname()[1], flush=True)
raw_server.listen_forever()
