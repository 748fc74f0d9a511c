"""opentracker, as Debian builds it: it tracks what is on its list."""

import os
import socket
from pathlib import Path

from interop.peers.program import Program, free_port, need, wait_for


class OpenTracker:
    """A tracker for some info-hashes."""

    def __init__(self, folder: Path, info_hashes: list[str]) -> None:
        root = folder / "opentracker"
        root.mkdir()
        root.chmod(0o755)
        (root / "whitelist").write_text("".join(f"{each}\n" for each in info_hashes))
        port = free_port()
        command = [need("opentracker"), "-i", "127.0.0.1", "-p", str(port), "-P", str(port)]
        command += ["-d", str(root), "-w", "whitelist"]
        if os.getuid() == 0:
            command += ["-u", "nobody"]
        self.url = f"http://127.0.0.1:{port}/announce"
        self.udp_url = f"udp://127.0.0.1:{port}/announce"
        self.program = Program(command, root, "opentracker")
        wait_for(lambda: self.program.check_alive() and _listens(port), "opentracker listens")

    def close(self) -> None:
        self.program.end()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
