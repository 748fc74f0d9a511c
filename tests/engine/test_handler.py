from kit.joined import join, listen
from kit.loop import run_until
from kit.recorder import Recorder
from rawserver import RawServer, SingleSocket
from rawserver.engine.handler import Handler


class OnlyMade:
    def __init__(self) -> None:
        self.made: list[SingleSocket] = []

    def external_connection_made(self, connection: SingleSocket) -> None:
        self.made.append(connection)


def test_a_listening_handler_needs_one_method_only(raw_server: RawServer) -> None:
    handler = OnlyMade()
    caller = raw_server.start_connection(("127.0.0.1", listen(raw_server, handler)), object())
    run_until(raw_server, lambda: handler.made)
    (connection,) = handler.made
    caller.write(b"read and dropped")
    caller.close_when_flushed()
    run_until(raw_server, lambda: connection.lost)
    assert connection.error is None


def test_every_method_that_is_promised_is_called(raw_server: RawServer) -> None:
    caller, callee = Recorder(), Recorder()
    connection, other = join(raw_server, caller, callee)
    other.pause_reading()
    while connection.write(b"x" * 100_000):
        pass
    other.resume_reading()
    run_until(raw_server, lambda: "connection_flushed" in caller.events)
    connection.close()
    run_until(raw_server, lambda: "connection_lost" in callee.events and connection.lost)
    failing = Recorder()
    raw_server.start_connection("/no/such/path", failing)
    run_until(raw_server, lambda: failing.events)
    called = {*caller.events, *callee.events, *failing.events}
    promised = {name for name in vars(Handler) if not name.startswith("_")}
    assert promised - called == {"get_buffer", "buffer_filled"}  # in place of data_came_in
