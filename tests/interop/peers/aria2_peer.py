"""aria2c."""

import signal
from pathlib import Path

from interop.peers.program import Program, free_port, need, wait_for


class Aria2Peer:
    """One run of aria2c: fetches, or checks and seeds what is there.

    `options` stand behind its own, and count before those.
    """

    def __init__(
        self, torrent: Path, save: Path, folder: Path, *options: str, seed: bool = False
    ) -> None:
        self.port = free_port()
        self.program = Program(
            [
                need("aria2c"),
                "--no-conf",
                f"--dir={save}",
                f"--listen-port={self.port}",
                "--enable-dht=false",
                "--enable-dht6=false",
                "--bt-enable-lpd=false",
                "--enable-peer-exchange=false",
                "--file-allocation=none",
                "--summary-interval=0",
                "--check-integrity=true",
                "--allow-overwrite=true",
                "--seed-time=10" if seed else "--seed-time=0",
                "--seed-ratio=0.0",
                *options,
                str(torrent),
            ],
            folder,
            "aria2c",
        )

    def wait_complete(self, seconds: float = 60.0) -> None:
        """Wait until it has fetched everything, which ends it."""
        wait_for(lambda: self.program.process.poll() is not None, "aria2c has ended", seconds)
        assert self.program.process.returncode == 0, self.program.log.read_text()[-2000:]

    def leave(self) -> None:
        """Press ^C: it leaves the swarm, and tells the tracker."""
        if self.program.process.poll() is None:
            self.program.process.send_signal(signal.SIGINT)

    def close(self) -> None:
        self.program.end()
