"""Setting `doneflag` from a thread ends the loop promptly and closes every socket."""

import threading

from kit.joined import Joiner, free_port, listen
from kit.recorder import Recorder
from kit.system import needs_the_system
from rawserver import RawServer, SingleSocket

PROMPT_SECONDS = 5.0


def test_a_flag_set_by_another_thread_ends_a_loop_that_waits(
    raw_server: RawServer, join: Joiner
) -> None:
    needs_the_system(raw_server.network, "a simulated loop waits for no thread")
    caller, callee = Recorder(), Recorder()
    _, other = join(raw_server, caller, callee)
    waits = threading.Event()
    raw_server.add_task(waits.set)

    def end() -> None:
        waits.wait()
        raw_server.doneflag.set()

    thread = threading.Thread(target=end)
    thread.start()
    began = raw_server.network.time()
    raw_server.listen_forever()
    thread.join()
    assert raw_server.network.time() - began < PROMPT_SECONDS
    assert caller.events[-1] == callee.events[-1] == "connection_lost"
    assert other.fileno() == -1


def test_a_flag_that_is_set_already_ends_it_at_once(raw_server: RawServer) -> None:
    raw_server.doneflag.set()
    ran: list[int] = []
    raw_server.add_task(ran.append, 0.0, (1,))
    raw_server.listen_forever()
    assert not ran


def test_a_flag_set_within_a_handler_ends_it(raw_server: RawServer, join: Joiner) -> None:
    callee = Recorder(data_came_in=lambda connection: raw_server.doneflag.set())
    connection, _ = join(raw_server, Recorder(), callee)
    connection.write(b"hello")
    raw_server.listen_forever()
    assert callee.events[-1] == "connection_lost"


def test_attempts_are_told_that_they_failed(raw_server: RawServer) -> None:
    handlers = [Recorder(), Recorder(), Recorder()]
    port = listen(raw_server, Recorder())
    raw_server.start_connection(("127.0.0.1", port), handlers[0])
    raw_server.start_connection(("127.0.0.1", free_port(raw_server)), handlers[1])
    raw_server.start_connection(("localhost", port), handlers[2])
    raw_server.doneflag.set()
    raw_server.listen_forever()
    assert [handler.events for handler in handlers] == [["connection_failed"]] * 3


def test_who_starts_anew_whenever_one_is_lost_does_not_hold_up_the_end(
    raw_server: RawServer, join: Joiner
) -> None:
    class Stubborn(Recorder):
        def connection_lost(self, connection: SingleSocket) -> None:
            super().connection_lost(connection)
            raw_server.start_connection(("127.0.0.1", port), self)

    callee = Stubborn()
    port = listen(raw_server, callee)
    _, other = join(raw_server, Recorder(), callee)
    raw_server.doneflag.set()
    raw_server.listen_forever()
    assert other.lost
