"""What `rawserver tracker` does: listen, say where, track until ^C."""

from __future__ import annotations

from rawserver.cli.command_error import CommandError, describe
from rawserver.cli.output import Output
from rawserver.cli.session import Session
from rawserver.services.tracker import Tracker

DRAW_SECONDS = 0.5


class TrackerRun:
    """One run of the command."""

    def __init__(self, output: Output, address: tuple[str, int]) -> None:
        self._output = output
        self._host, self._port = address
        self._session = Session(output)
        self._tracker = Tracker(self._session.raw_server)

    def run(self) -> None:
        """Track until ^C; raises CommandError when the port cannot be had."""
        self._session.soon(self._listen)
        self._session.every(DRAW_SECONDS, self._draw)
        self._session.run(self._session.finish)

    def _listen(self) -> None:
        try:
            self._tracker.listen(self._port, self._host)
        except OSError as error:
            raise CommandError(f"{self._host}:{self._port}: {describe(error)}") from error
        url = f"http://{self._reachable_host()}:{self._tracker.port}/announce"
        self._output.event({"event": "ready", "http": url})
        self._output.text(f"tracking at {url}")
        self._output.text(f"for people: {url.removesuffix('announce')}")

    def _reachable_host(self) -> str:
        """Return the host as others write it in a URL."""
        host = self._host
        if host in ("", "0.0.0.0", "::"):
            host = self._session.raw_server.network.primary_address()
        return f"[{host}]" if ":" in host else host

    def _draw(self) -> None:
        live = self._output.live
        if live.shown:
            registry = self._tracker.registry
            torrents = f"{len(registry)} torrent{'' if len(registry) == 1 else 's'}"
            peers = f"{registry.num_peers} peer{'' if registry.num_peers == 1 else 's'}"
            live.draw(f"tracking  {torrents}  {peers}  (^C ends)")
