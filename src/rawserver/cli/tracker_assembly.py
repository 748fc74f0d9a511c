"""The tracker that options describe: its registry, its gates, and the files it goes by."""

from __future__ import annotations

import logging
import os.path
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from rawserver.cli.command_error import CommandError, describe
from rawserver.cli.tracker_options import TrackerOptions
from rawserver.engine import RawServer
from rawserver.services.tracker import Gate, Tracker, Watcher
from rawserver.services.tracker.access_log import AccessLog
from rawserver.services.tracker.accounts_page import accounts_page
from rawserver.services.tracker.address_list import AddressList, DeniedAddresses
from rawserver.services.tracker.asker import is_local
from rawserver.services.tracker.client_ids import ClientIdList, ClientIds
from rawserver.services.tracker.forwarded import parse_networks
from rawserver.services.tracker.http_options import HttpOptions
from rawserver.services.tracker.info_hash_list import AllowedHashes, DeniedHashes, InfoHashList
from rawserver.services.tracker.min_interval import MinInterval
from rawserver.services.tracker.nat_check import NatCheck
from rawserver.services.tracker.only_listed import OnlyListed
from rawserver.services.tracker.passkeys import AccountKeeper, Passkeys, UserList
from rawserver.services.tracker.rate_per_address import RatePerAddress
from rawserver.services.tracker.registry_section import RegistrySection
from rawserver.services.tracker.state_file import Section, StateFile
from rawserver.services.tracker.torrent_folder import TorrentFolder
from rawserver.services.tracker.watched_file import WatchedFile
from rawserver.swarm.accounting import Accounting
from rawserver.swarm.memory_registry import MemoryRegistry
from rawserver.swarm.nearest import nearest_first

if TYPE_CHECKING:
    from rawserver.services.tracker.redis_registry import RedisRegistry

# A bttrack peer lives from one interval and a half to three.
LIFETIME_INTERVALS = 1.5
# An icon is a few KB.
LARGEST_FAVICON = 1024 * 1024

_TRUSTS: dict[str, Callable[[bytes], bool]] = {
    "local": is_local,
    "none": lambda ip: False,
    "all": lambda ip: True,
}

Watched = TypeVar("Watched", bound="WatchedFile[Any]")


class TrackerAssembly:
    """Makes a Tracker, not yet listening, and keeps what stands around it.

    Raises CommandError, OSError or TrackerFileError for what it was told and cannot have.
    `report(text)` is told what goes wrong with files later.
    """

    def __init__(
        self, raw_server: RawServer, options: TrackerOptions, report: Callable[[str], None]
    ) -> None:
        self._raw_server = raw_server
        self._options = options
        self._report = report
        self._time = raw_server.network.time
        self._files: list[WatchedFile[Any] | TorrentFolder] = []
        self._gates: list[Gate] = []
        self._watchers: list[Watcher] = []
        self._sections: list[Section] = []
        self.access_log = self._make_access_log()
        self.users: UserList | None = None
        self.accounting = Accounting()
        self._store: RedisRegistry | None = None
        self.registry = self._make_registry()
        folder = self._make_folder()
        self._add_gates()
        if folder is not None:
            self._gates.append(OnlyListed(folder))
        self.tracker = Tracker(
            raw_server,
            self.registry,
            interval=options.interval,
            min_interval=options.min_interval,
            catalog=folder,
            gates=self._gates,
            watchers=self._watchers,
            trusts=_TRUSTS[options.trust_ip],
            http=self._http_options(),
        )
        self._add_what_needs_the_tracker()
        self.state = self.tracker.state = self._make_state()

    @property
    def warning(self) -> str:
        """What is wrong with the store; "" if nothing is, or there is none."""
        return "" if self._store is None else self._store.warning

    # Its life.

    def start(self) -> None:
        """Follow the files, and save the state at its interval."""
        for file in self._files:
            file.start()
        if self.state is not None:
            self.state.start()

    def reload(self) -> None:
        """Read all files again, off the loop, and begin the access log anew."""
        for file in self._files:
            file.reload()
        if self.access_log is not None:
            self.access_log.reopen()

    def close(self, done: Callable[[], None]) -> None:
        """Serve no more, save the state, then call `done`."""
        self.tracker.close()

        def saved() -> None:
            if self._store is not None:
                self._store.close()
            if self.access_log is not None:
                self.access_log.close()
            done()

        if self.state is None:
            saved()
        else:
            self.state.save(saved)

    # What it is made of.

    def _make_registry(self) -> MemoryRegistry | RedisRegistry:
        options = self._options
        lifetime = options.expire or LIFETIME_INTERVALS * options.interval
        random = self._raw_server.network.random
        if options.store is None:
            registry = MemoryRegistry(
                random,
                max_torrents=options.max_torrents,
                max_peers=options.max_peers,
                peer_lifetime_seconds=lifetime,
                keep_dead=options.keep_dead,
                hide_unverified=options.nat_check > 0,
                numwant=options.numwant,
                max_numwant=options.max_numwant,
                choose=nearest_first(random) if options.near_first else None,
            )
            self._sections.append(RegistrySection(registry))
            return registry
        self._store = self._make_store(options.store, lifetime)
        return self._store

    def _make_store(self, url: str, lifetime: float) -> RedisRegistry:
        # It loads hiredis, and OpenSSL.
        from rawserver.services.tracker.redis_client import StoreError
        from rawserver.services.tracker.redis_registry import RedisRegistry

        options = self._options
        try:
            return RedisRegistry(
                self._raw_server,
                url,
                max_torrents=options.max_torrents,
                max_peers=options.max_peers,
                peer_lifetime_seconds=lifetime,
                keep_dead=options.keep_dead,
                hide_unverified=options.nat_check > 0,
                numwant=options.numwant,
                max_numwant=options.max_numwant,
                report=self._report,
            )
        except (StoreError, ValueError) as error:
            raise CommandError(f"--store: {error}") from error

    def _make_folder(self) -> TorrentFolder | None:
        options = self._options
        if options.torrents is None:
            return None
        folder = TorrentFolder(
            self._raw_server,
            options.torrents,
            self._report,
            controls=options.torrent_messages,
            seconds=options.rescan,
        )
        folder.load()
        self._files.append(folder)
        return folder

    def _loaded(self, kind: Callable[..., Watched], path: str) -> Watched:
        file = kind(self._raw_server, path, self._report)
        file.load()
        self._files.append(file)
        return file

    def _add_gates(self) -> None:
        """Add what refuses, the cheapest first."""
        options, gates = self._options, self._gates
        if options.deny_addresses is not None:
            gates.append(DeniedAddresses(self._loaded(AddressList, options.deny_addresses)))
        if options.rate:
            gates.append(RatePerAddress(self._time, options.rate, options.burst))
        if options.users is not None:
            self.users = self._loaded(UserList, options.users)
            gates.append(Passkeys(self.users.get))
            self._watchers.append(AccountKeeper(self.users.get, self.accounting, self._time))
            self._sections.append(self.accounting)
        if options.allow_clients is not None or options.deny_clients is not None:
            allowed, denied = options.allow_clients, options.deny_clients
            gates.append(
                ClientIds(
                    None if allowed is None else self._loaded(ClientIdList, allowed),
                    () if denied is None else self._loaded(ClientIdList, denied),
                )
            )
        if options.deny_hashes is not None:
            gates.append(DeniedHashes(self._loaded(InfoHashList, options.deny_hashes)))
        if options.allow_hashes is not None:
            gates.append(AllowedHashes(self._loaded(InfoHashList, options.allow_hashes)))

    def _add_what_needs_the_tracker(self) -> None:
        options, tracker = self._options, self.tracker
        if options.enforce_interval:
            enforced = MinInterval(tracker.interval, self._time)
            tracker.gates.append(enforced)
            tracker.watchers.append(enforced.watch)
        if options.nat_check:
            log = self.access_log
            tracker.watchers.append(
                NatCheck(
                    self._raw_server,
                    self.registry,
                    tries=options.nat_check,
                    log=log.nat_check if log is not None and options.log_nat_checks else None,
                    context=tracker,
                )
            )
        if self.users is not None:
            tracker.http.add_private("/users.json", lambda: accounts_page(self.accounting))
        tracker.http.reloads.append(self.reload)

    def _http_options(self) -> HttpOptions:
        options = self._options
        try:
            proxies = parse_networks(options.trusted_proxy)
        except ValueError as error:
            raise CommandError(f"--trusted-proxy: {error}") from error
        return HttpOptions(
            scrape=options.scrape,
            infopage=options.info_page,
            infopage_redirect=options.redirect or "",
            names=options.names,
            torrents=options.serve_torrents,
            favicon=self._read_favicon(),
            statistics=options.statistics,
            reload_token=options.reload_token or "",
            trusted_proxies=proxies,
            proxy_header=options.proxy_header,
            access_log=self.access_log,
        )

    def _read_favicon(self) -> bytes:
        path = self._options.favicon
        if path is None:
            return b""
        try:
            return self._raw_server.network.disk.read_file(path, LARGEST_FAVICON)
        except OSError as error:
            raise CommandError(describe(error)) from error

    def _make_access_log(self) -> AccessLog | None:
        path = self._options.access_log
        if path is None:
            return None
        network = self._raw_server.network
        # A path that cannot be written to is told of now, not when somebody asks.
        network.disk.open(path, "a").close()
        return AccessLog(self._raw_server, lambda: network.disk.open(path, "a"), network.wall_time)

    def _check_folder_of(self, path: str) -> None:
        """Raise CommandError if no state can be saved there: told of now, while somebody looks."""
        disk, folder = self._raw_server.network.disk, os.path.dirname(path)
        if folder and disk.status(folder) is None:
            raise CommandError(f"--state: there is no folder {folder}")
        probe = os.path.join(folder, ".rawserver-probe")
        try:
            disk.replace_file(probe, b"")
            disk.remove(probe)
        except OSError as error:
            raise CommandError(f"--state {path}: {error.strerror}") from error

    def _make_state(self) -> StateFile | None:
        path = self._options.state
        if path is None:
            return None
        self._check_folder_of(path)
        state = StateFile(self._raw_server, path, self._sections, interval=self._options.save_every)
        told = state.load()
        if told:
            self._raw_server.report(logging.WARNING, told)
        # There may be some of this machine among those who are known from before.
        self.tracker.has_loopback_peers = self.registry.num_peers > 0
        return state
