"""A handler with a bug, and the scenario that finds it.

rawserver simulate examples/simulation_finds_a_bug.py --runs 200
"""

from rawserver.simulation import presets


class Collector:
    """Takes messages: four bytes that say how long it is, and then the message."""

    def __init__(self):
        self.messages = []
        self.begun = {}  # what has come of a message, by connection

    def external_connection_made(self, connection):
        self.begun[connection] = bytearray()

    def data_came_in(self, connection, data):
        begun = self.begun[connection]
        begun += data
        while len(begun) >= 4:
            length = int.from_bytes(begun[:4], "big")
            if len(begun) < length:
                break  # the rest is still to come
            self.messages.append(bytes(begun[4 : 4 + length]))
            del begun[: 4 + length]

    def connection_lost(self, connection):
        del self.begun[connection]


class Sender:
    """Sends messages, one now and then."""

    def __init__(self, raw_server, messages):
        self.raw_server = raw_server
        self.messages = list(messages)

    def connection_made(self, connection):
        if self.messages:
            message = self.messages.pop(0)
            connection.write(len(message).to_bytes(4, "big") + message)
            self.raw_server.add_task(self.connection_made, 0.01, (connection,))


def scenario(world):
    """What one host sends from Wi-Fi is what the other has in the end."""
    server = world.add_host("server", "192.0.2.1")
    laptop = world.add_host("laptop", "198.51.100.7")
    world.fabric.set_access(presets.WIFI, *laptop.addresses)
    collector = Collector()
    messages = [world.random.randbytes(world.random.randint(1, 3000)) for _ in range(20)]

    def serve(raw_server):
        raw_server.start_listening(raw_server.create_serversocket(7000), collector)

    def send(raw_server):
        raw_server.start_connection(("192.0.2.1", 7000), Sender(raw_server, messages))

    server.boot(serve)
    laptop.boot(send)
    world.run(seconds=60, condition=lambda: len(collector.messages) >= len(messages))
    assert collector.messages == messages
