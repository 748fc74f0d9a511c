"""The trackers that are measured: how each is had, started and ended."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.child import Child
from bench.place import Place
from bench.tracker.population import Population

ADDRESS = "127.0.0.1"
NPM_PACKAGE = "bittorrent-tracker"
NPM_VERSION = "11.2.3"
# Kept between runs, beside what else is built here.
NPM_FOLDER = Path(__file__).parents[2] / "build" / f"{NPM_PACKAGE}-{NPM_VERSION}"
LONGEST_START_SECONDS = 30.0


class Running(NamedTuple):
    """A tracker that listens; on the same port by TCP and by UDP."""

    child: Child
    port: int
    # Before any peer has announced itself.
    empty_bytes: int

    def resident_bytes(self) -> int:
        """Return the memory that the process has now."""
        pages = Path(f"/proc/{self.child.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Tracker(NamedTuple):
    """How one is started; why it cannot be here, "" if it can; and what it speaks."""

    command: Callable[[Place, Population, int], list[str]]
    why_not: Callable[[], str]
    protocols: tuple[str, ...] = ("udp", "http", "keepalive")


def ours(place: Place, population: Population, port: int) -> list[str]:
    """Return the command of ours."""
    return [sys.executable, "-m", "bench.tracker.ours", str(port)]


def opentracker(place: Place, population: Population, port: int) -> list[str]:
    """Return the command of opentracker; Debian builds it for torrents that are listed."""
    folder = place.folder / f"opentracker-{port}"
    # It makes the folder its root and gives up the rights of root, before it reads the list.
    folder.mkdir()
    folder.chmod(0o755)
    listed = subprocess.run(
        [str(place.folder / "load"), "hashes", "0", *population.arguments()],
        stdout=subprocess.PIPE,
        check=True,
    )
    (folder / "torrents").write_bytes(listed.stdout)
    where = ["-i", ADDRESS, "-p", str(port), "-P", str(port)]
    return ["opentracker", *where, "-d", str(folder), "-w", "torrents"]


def without_opentracker() -> str:
    """Return why it cannot run here."""
    return "" if shutil.which("opentracker") else "opentracker is not installed"


def npm(place: Place, population: Population, port: int) -> list[str]:
    """Return the command of npm's `bittorrent-tracker`."""
    server = NPM_FOLDER / "node_modules" / NPM_PACKAGE / "server.js"
    return ["node", str(Path(__file__).with_name("npm.mjs")), str(server), str(port)]


def without_npm() -> str:
    """Return why it cannot run here; it is fetched if it was not yet."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node or npm is not installed"
    if (NPM_FOLDER / "node_modules" / NPM_PACKAGE).is_dir():
        return ""
    NPM_FOLDER.mkdir(parents=True, exist_ok=True)
    # Not what is optional, for WebRTC, nor any program of a package.
    how = ["--no-audit", "--no-fund", "--omit=optional", "--ignore-scripts"]
    done = subprocess.run(
        ["npm", "install", *how, "--prefix", str(NPM_FOLDER), f"{NPM_PACKAGE}@{NPM_VERSION}"],
        capture_output=True,
        text=True,
    )
    return f"npm cannot fetch it: {done.stderr.strip()[-300:]}" if done.returncode else ""


TRACKERS = {
    "rawserver": Tracker(ours, lambda: ""),
    "opentracker": Tracker(opentracker, without_opentracker, ("udp", "http")),
    "npm": Tracker(npm, without_npm),
}


def available(names: list[str]) -> list[str]:
    """Return the trackers that can run here, and say which cannot."""
    here = []
    for name in names:
        why_not = TRACKERS[name].why_not()
        if why_not:
            print(f"{name}: left out, {why_not}", file=sys.stderr)
        else:
            here.append(name)
    return here


@contextlib.contextmanager
def running(place: Place, name: str, population: Population) -> Iterator[Running]:
    """Give a tracker that listens; it ends with the block."""
    port = free_port()
    child = place.start(TRACKERS[name].command(place, population, port))
    try:
        wait_until_open(child, port)
        one = Running(child, port, 0)
        yield one._replace(empty_bytes=one.resident_bytes())
    finally:
        child.close()


def free_port() -> int:
    """Return a port that nobody has, by TCP and by UDP."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind((ADDRESS, 0))
            port: int = stream.getsockname()[1]
            with contextlib.suppress(OSError):
                datagrams.bind((ADDRESS, port))
                return port


def wait_until_open(child: Child, port: int) -> None:
    """Return when the port answers; RuntimeError if it does not, in time or at all."""
    end = time.monotonic() + LONGEST_START_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port)):
            return
        child.check()
        time.sleep(0.02)
    raise RuntimeError("the tracker does not listen")
