"""The clients that are measured: how each seeds, and how each fetches from a seed."""

import json
import socket
import sys
import time
from pathlib import Path

from bench.child import DEADLINE_SECONDS, Child, Usage

LIBTORRENT = [sys.executable, str(Path(__file__).with_name("libtorrent_node.py"))]
RAWSERVER = [sys.executable, "-m", "rawserver"]


class Seed:
    """A seed that serves, its data known to be right; `cpu_seconds` counts from here on."""

    def __init__(self, kind: str, torrent: Path, data: Path, scratch: Path) -> None:
        self._ours = kind == "rawserver"
        log = scratch / "seed.log"
        if self._ours:
            command = [*RAWSERVER, "share", str(torrent), "--data", str(data), "--json"]
            command += ["--host", "127.0.0.1", "--torrent", str(scratch / "shared.torrent")]
            self.child = Child(command, log)
        else:
            settings = kind.removeprefix("libtorrent-")
            command = [*LIBTORRENT, "seed", str(torrent), str(data.parent), settings]
            self.child = Child(command, log)
        try:
            line = self.child.wait_line("ready")
        except BaseException:
            self.child.close()
            raise
        self.port = json.loads(line)["port"] if self._ours else int(line.split()[1])
        self._cpu_seconds_before = self.child.cpu_seconds()

    def dial(self, port: int) -> None:
        """Connect to a getter that cannot be told whom to connect to; libtorrent only."""
        self.child.tell(str(port))

    def end(self) -> Usage:
        """End it; the CPU time is that since it was ready to serve."""
        usage = self.child.interrupt() if self._ours else self._end_libtorrent()
        return usage._replace(cpu_seconds=usage.cpu_seconds - self._cpu_seconds_before)

    def _end_libtorrent(self) -> Usage:
        self.child.close_stdin()
        return self.child.wait_end()


class Getter:
    """A getter that fetches from one seed and then leaves."""

    def __init__(self, kind: str, torrent: Path, folder: Path, seed: Seed, scratch: Path) -> None:
        log = scratch / "get.log"
        self._done = "complete"
        if kind == "rawserver":
            command = [*RAWSERVER, "get", str(torrent), "-o", str(folder), "--json"]
            command += ["--peer", f"127.0.0.1:{seed.port}"]
            self._done = '"complete"'
            self.child = Child(command, log)
        elif kind == "aria2":
            self._done = "Download complete"
            port = free_port()
            self.child = Child(aria2_command(torrent, folder, port), log)
            wait_listening(port)
            seed.dial(port)
        else:
            settings = kind.removeprefix("libtorrent-")
            command = [*LIBTORRENT, "get", str(torrent), str(folder), settings, str(seed.port)]
            self.child = Child(command, log)

    def wait_complete(self) -> None:
        """Return at the moment when it says that it has everything."""
        self.child.wait_line(self._done)

    def end(self) -> Usage:
        """Wait until it has left; the CPU time is that of the whole process."""
        return self.child.wait_end()


def aria2_command(torrent: Path, folder: Path, port: int) -> list[str]:
    """Return aria2c that fetches and ends, and asks no one for peers."""
    return [
        "aria2c",
        "--no-conf",
        f"--dir={folder}",
        f"--listen-port={port}",
        "--enable-dht=false",
        "--enable-dht6=false",
        "--bt-enable-lpd=false",
        "--enable-peer-exchange=false",
        "--file-allocation=none",
        "--seed-time=0",
        "--summary-interval=0",
        "--show-console-readout=false",
        str(torrent),
    ]


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_listening(port: int) -> None:
    """Wait until some process listens on a port, without connecting to it."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    # Its address in hexadecimal, and the state TCP_LISTEN.
    wanted = (f":{port:04X}", "0A")
    while time.monotonic() < deadline:
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(wanted[0]) and fields[3] == wanted[1]:
                return
        time.sleep(0.01)
    raise RuntimeError(f"nobody listens on port {port}")
