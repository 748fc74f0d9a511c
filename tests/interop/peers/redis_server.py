"""A real Redis server, started by a test and reached by a Unix socket."""

import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from typing import Any

import hiredis

from interop.peers.program import Program, need, wait_for


class RedisServer:
    """Keeps everything in memory. `url` is for a tracker."""

    def __init__(self, *options: str, password: str = "") -> None:
        # A Unix socket's path has some 100 bytes at most: pytest's folders may be longer.
        self.folder = Path(tempfile.mkdtemp(prefix="rs-redis-"))
        self.path = self.folder / "s"
        self._command = [
            need("redis-server"), "--port", "0", "--unixsocket", str(self.path), "--save", "",
            "--appendonly", "no", "--dir", str(self.folder), *options,
        ]  # fmt: skip
        self._password = password
        if password:
            self._command += ["--requirepass", password]
        self.start()

    @property
    def url(self) -> str:
        login = f":{self._password}@" if self._password else ""
        return f"unix://{login}{self.path}"

    def start(self) -> None:
        """Start, empty."""
        self.program = Program(self._command, self.folder, "redis")
        wait_for(lambda: self.program.check_alive() and self._answers(), "redis answers")

    def stop(self) -> None:
        self.resume()
        self.program.end()

    def pause(self) -> None:
        """Have it hang: it takes connections and commands, and answers nothing."""
        os.kill(self.program.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        if self.program.process.poll() is None:
            os.kill(self.program.process.pid, signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def ask(self, *words: bytes | str | int) -> Any:
        """Ask, and wait for the answer."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self.path))
            reader = hiredis.Reader()
            if self._password:
                sock.sendall(hiredis.pack_command(("AUTH", self._password)))
                self._reply(sock, reader)
            sock.sendall(hiredis.pack_command(words))
            return self._reply(sock, reader)

    def _reply(self, sock: socket.socket, reader: Any) -> Any:
        while (reply := reader.gets()) is False:
            data = sock.recv(65536)
            assert data, "redis has closed the connection"
            reader.feed(data)
        return reply

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING") == b"PONG")
        except OSError:
            return False
