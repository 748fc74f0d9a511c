import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "chat_room.py"

Start = Callable[..., tuple[subprocess.Popen[str], int]]


@pytest.fixture
def start() -> Iterator[Start]:
    programs: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], int]:
        program = subprocess.Popen(
            [sys.executable, str(EXAMPLE), "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        programs.append(program)
        assert program.stdout is not None
        return program, int(program.stdout.readline().split()[-1])

    yield start
    for program in programs:
        program.kill()
        program.communicate()


def read_line(sock: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        more = sock.recv(1)
        assert more, line
        line += more
    return line


def test_everybody_hears_everything_until_the_room_closes(start: Start) -> None:
    program, port = start()
    guests = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(3)]
    for guest in guests:
        # Who has heard himself is in.
        guest.sendall(b"I am in\n")
        assert read_line(guest) == b"I am in\n"
    guests[2].sendall(b"good ")
    guests[2].sendall(b"day\nand more\n")
    for guest in guests:
        while (line := read_line(guest)) == b"I am in\n":
            pass
        assert line == b"good day\n"
        assert read_line(guest) == b"and more\n"
    program.send_signal(signal.SIGTERM)
    for guest in guests:
        assert read_line(guest) == b"The room closes.\n"
        assert guest.recv(1) == b""
        guest.close()
    assert program.wait(20) == 0
    assert program.stderr is not None
    assert program.stderr.read() == ""


def test_over_tls(start: Start, tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(chain), append=True)
    certificate.private_key_pem.write_to_path(str(key))
    _, port = start(str(chain), str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as guest,
    ):
        guest.sendall(b"secret\n")
        assert read_line(guest) == b"secret\n"


def test_who_never_ends_a_line_is_sent_away(start: Start) -> None:
    _, port = start()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as guest:
        guest.sendall(b"x" * 10_000)
        try:
            assert guest.recv(1) == b""
        except ConnectionResetError:
            pass
