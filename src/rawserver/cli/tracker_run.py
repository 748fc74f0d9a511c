"""What `rawserver tracker` does: listen, say where, track until ^C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rawserver.cli.command_error import CommandError, describe
from rawserver.cli.descriptors import want_descriptors
from rawserver.cli.output import Output
from rawserver.cli.session import Session
from rawserver.cli.tracker_assembly import TrackerAssembly
from rawserver.cli.tracker_options import Address, TrackerOptions
from rawserver.engine.signals import handle_signal
from rawserver.services.tracker.file_watch import TrackerFileError

if TYPE_CHECKING:
    from rawserver.engine.tls import TlsServer

DRAW_SECONDS = 0.5


def run_tracker(output: Output, options: TrackerOptions) -> None:
    """Track until ^C, in one process or several; raises CommandError."""
    want_descriptors()
    # Who rotates logs may say so before there is anything to read again: that must not end us.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        _run(output, options)
    finally:
        signal.signal(signal.SIGHUP, before)


def _run(output: Output, options: TrackerOptions) -> None:
    if options.workers == 1:
        TrackerRun(output, options).run()
        return
    from rawserver.cli.tracker_workers import run_workers

    run_workers(output, options)


class TrackerRun:
    """One run of the command, in one process.

    The one that `is_first` says where it listens; `began()` is called when it does.
    """

    def __init__(
        self,
        output: Output,
        options: TrackerOptions,
        *,
        secret: bytes | None = None,
        is_first: bool = True,
        began: Callable[[], None] = lambda: None,
    ) -> None:
        self._output = output
        self._options = options
        self._secret = secret
        self._is_first = is_first
        self._began = began
        self._session = Session(output)
        self._assembly: TrackerAssembly | None = None
        self._tls: TlsServer | None = None

    def run(self) -> None:
        """Track until ^C; raises CommandError for what cannot be had."""
        self._session.soon(self._begin)
        self._session.every(DRAW_SECONDS, self._draw)
        self._session.run(self._stop)

    def _begin(self) -> None:
        raw_server, options = self._session.raw_server, self._options
        try:
            assembly = TrackerAssembly(raw_server, options, self._output.note)
            if options.certificate is not None:
                # OpenSSL is for who serves HTTPS.
                from rawserver.engine.tls import TlsServer

                self._tls = TlsServer(options.certificate, options.key)
        except (OSError, TrackerFileError) as error:
            raise CommandError(describe(error)) from error
        self._assembly = assembly
        self._listen(assembly)
        self._began()
        assembly.start()
        handle_signal(raw_server, signal.SIGHUP, self._reload)

    def _listen(self, assembly: TrackerAssembly) -> None:
        options, tracker = self._options, assembly.tracker
        shared = options.workers > 1
        http, https, udp = [], [], []
        for host, port in options.http_addresses:
            with _named("http", host, port):
                tracker.listen(port, host, proxy_protocol=options.proxy_protocol, reuse_port=shared)
            http.append((host, tracker.port))
        for host, port in options.https:
            with _named("https", host, port):
                tracker.listen(
                    port,
                    host,
                    tls=self._tls,
                    proxy_protocol=options.proxy_protocol,
                    reuse_port=shared,
                )
            https.append((host, tracker.port))
        for host, port in self._udp_addresses(http or https):
            with _named("udp", host, port):
                tracker.listen_udp(port, host, secret=self._secret, reuse_port=shared)
            udp.append((host, tracker.udp_port))
        if self._is_first:
            self._tell(http, https, udp)

    def _udp_addresses(self, others: list[Address]) -> Iterable[Address]:
        if self._options.no_udp:
            return ()
        return self._options.udp or others or self._options.http

    def _tell(self, http: list[Address], https: list[Address], udp: list[Address]) -> None:
        urls = {
            scheme: [f"{scheme}://{self._shown(*address)}/announce" for address in addresses]
            for scheme, addresses in (("http", http), ("https", https), ("udp", udp))
        }
        first = {scheme: found[0] for scheme, found in urls.items() if found}
        every = [url for found in urls.values() for url in found]
        self._output.event({"event": "ready", **first, "urls": every})
        for url in every:
            self._output.text(f"tracking at {url}")
        people = first.get("http") or first.get("https")
        if people is not None and self._options.info_page:
            self._output.text(f"for people: {people.removesuffix('announce')}")

    def _shown(self, host: str, port: int) -> str:
        """Return the address as others write it in a URL."""
        if host in ("", "0.0.0.0", "::"):
            host = self._session.raw_server.network.primary_address()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    # While it runs.

    def _reload(self) -> None:
        assert self._assembly is not None
        self._assembly.reload()
        if self._tls is not None:
            self._session.raw_server.start_work(self._tls.reload, (), self._reloaded)

    def _reloaded(self, result: None, error: BaseException | None) -> None:
        if error is not None:
            self._output.note(f"the certificate stays as it was: {describe(error)}")

    def _draw(self) -> None:
        live = self._output.live
        # One of several knows its own part alone.
        if live.shown and self._options.workers == 1 and self._assembly is not None:
            registry = self._assembly.registry
            torrents = f"{len(registry)} torrent{'' if len(registry) == 1 else 's'}"
            peers = f"{registry.num_peers} peer{'' if registry.num_peers == 1 else 's'}"
            live.draw(f"tracking  {torrents}  {peers}  {self._assembly.warning or '(^C ends)'}")

    def _stop(self) -> None:
        if self._assembly is None:
            self._session.finish()
        else:
            self._assembly.close(self._ended)

    def _ended(self) -> None:
        state = None if self._assembly is None else self._assembly.state
        lost = state is not None and state.has_failed
        error = CommandError("what the tracker knew since the last save is lost") if lost else None
        self._session.finish(error)


@contextmanager
def _named(scheme: str, host: str, port: int) -> Iterator[None]:
    """Name the address that cannot be had."""
    try:
        yield
    except OSError as error:
        where = f"{host}:{port}" if host else f"port {port}"
        raise CommandError(f"{scheme} at {where}: {describe(error)}") from error
