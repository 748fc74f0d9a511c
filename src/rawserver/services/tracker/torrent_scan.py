"""One look at a folder of .torrent files, after another."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from rawserver.engine import Disk, FileStatus, Network
from rawserver.services.tracker.catalog import Listed
from rawserver.services.tracker.file_watch import SETTLING_SECONDS, TrackerFileError
from rawserver.wire.metainfo import LARGEST_METAINFO, MetainfoError
from rawserver.wire.torrent_listing import TorrentListing, read_listing

# 500 bytes of memory each. A tracker of more has a list of info-hashes.
MAX_TORRENT_FILES = 200_000
# People sort torrents into folders within folders, and no deeper.
MAX_DEPTH = 16
# A person reads so many; the rest are counted.
MAX_PROBLEMS_TOLD = 20

Stamp = tuple[int, int]


class TorrentFile(NamedTuple):
    """A .torrent and what it lists. `stamp`: the file's size and time when it was read."""

    path: str
    stamp: Stamp
    listed: Listed
    info_hashes: tuple[bytes, ...]


class _Seen(NamedTuple):
    """What became of a file. It is read again when its stamp changes, or if it is None."""

    stamp: Stamp | None
    torrent: TorrentFile | None
    problem: str = ""


class Scanned(NamedTuple):
    """All torrents of a folder, and what is wrong in it that was not told before, one line each."""

    torrents: dict[bytes, TorrentFile]
    problems: list[str]


class TorrentScan:
    """Goes through a folder and all folders below it, and reads only what has changed.

    bttrack went into a folder only if it had no torrents itself: one file put beside folders took
    all that was in them away. Links to folders are not followed (they could lead around in a
    circle), and what begins with a dot is not looked at. Where two files are of one torrent the
    first counts, by their paths. What cannot be read, or is half written, costs the others
    nothing; what was known of it counts until it is known better.
    """

    def __init__(self, network: Network, folder: str, *, controls: bool) -> None:
        self._disk: Disk = network.disk
        self._network = network
        self._folder = folder
        self._controls = controls
        self._seen: dict[str, _Seen] = {}
        self._told: dict[str, str] = {}

    def scan(self, asked: bool) -> Scanned:
        """Look, off the loop; `asked` also tells again what was told before.

        Raises TrackerFileError if the folder itself cannot be read.
        """
        problems: dict[str, str] = {}
        seen: dict[str, _Seen] = {}
        for path, status in self._files(problems):
            if len(seen) >= MAX_TORRENT_FILES:
                problems[path] = f"is left out: more than {MAX_TORRENT_FILES} torrents"
                break
            seen[path] = self._see(path, status)
        self._seen = seen
        torrents: dict[bytes, TorrentFile] = {}
        for path, (_, torrent, problem) in seen.items():
            if problem:
                problems[path] = problem
            if torrent is None:
                continue
            for info_hash in torrent.info_hashes:
                first = torrents.setdefault(info_hash, torrent)
                if first is not torrent:
                    problems[path] = f"is the same torrent as {_shown(first.path)}, which counts"
        return Scanned(torrents, self._untold(problems, asked))

    def _untold(self, problems: dict[str, str], asked: bool) -> list[str]:
        told = {} if asked else self._told
        self._told = problems
        lines = [
            f"{_shown(path)}: {problem}"
            for path, problem in problems.items()
            if told.get(path) != problem
        ]
        more = len(lines) - MAX_PROBLEMS_TOLD
        if more > 0:
            lines[MAX_PROBLEMS_TOLD:] = [f"{self._folder}: and {more} more files that are not used"]
        return lines

    # Which files there are.

    def _files(self, problems: dict[str, str]) -> Iterator[tuple[str, FileStatus | None]]:
        """Yield path and status of each .torrent; None for one whose folder cannot be read."""
        try:
            waiting = [(self._folder, name, 1) for name in reversed(self._names(self._folder))]
        except OSError as error:
            raise TrackerFileError(self._folder, error.strerror or str(error)) from error
        while waiting:
            above, name, depth = waiting.pop()
            path = posixpath.join(above, name)
            try:
                status = self._disk.status(path)
                if status is None:
                    continue  # removed meanwhile, or a link to nothing
                if not status.is_directory:
                    if name.lower().endswith(".torrent"):
                        yield path, status
                elif self._disk.is_link(path):
                    problems[path] = "is a link to a folder, which is not followed"
                elif depth >= MAX_DEPTH:
                    problems[path] = f"is left out: more than {MAX_DEPTH} folders deep"
                else:
                    names = self._names(path)
                    waiting += [(path, name, depth + 1) for name in reversed(names)]
            except FileNotFoundError:
                continue
            except OSError as error:
                problems[path] = f"cannot be read: {error.strerror or error}"
                below = path + "/"
                yield from ((known, None) for known in self._seen if known.startswith(below))
                if path in self._seen:
                    yield path, None

    def _names(self, folder: str) -> list[str]:
        return [name for name in self._disk.names(folder) if not name.startswith(".")]

    # What is in them.

    def _see(self, path: str, status: FileStatus | None) -> _Seen:
        known = self._seen.get(path, _Seen(None, None))
        if status is None:
            return known._replace(stamp=None, problem="")
        stamp = (status.size, status.modified_ns)
        if stamp == known.stamp:
            return known
        try:
            if not status.is_file:
                return _Seen(stamp, None, "is no regular file")
            if status.size > LARGEST_METAINFO:
                return _Seen(stamp, None, f"has more than {LARGEST_METAINFO} bytes")
            data = self._disk.read_file(path, LARGEST_METAINFO)
            torrent = self._torrent(path, stamp, read_listing(data))
        except FileNotFoundError:
            return _Seen(None, None)
        except OSError as error:
            return _Seen(None, known.torrent, f"cannot be read: {error.strerror or error}")
        except MetainfoError as error:
            # Somebody may be writing it.
            if self._settles(status):
                return _Seen(None, known.torrent)
            return _Seen(stamp, None, str(error))
        return _Seen(None if self._settles(status) else stamp, torrent)

    def _settles(self, status: FileStatus) -> bool:
        return 0 <= self._network.wall_time() - status.modified_ns / 1e9 < SETTLING_SECONDS

    def _torrent(self, path: str, stamp: Stamp, listing: TorrentListing) -> TorrentFile:
        info_hashes, name, size, failure, warning = listing
        if not self._controls:
            failure = warning = ""
        return TorrentFile(path, stamp, Listed(name, size, failure, warning), info_hashes)


def _shown(path: str) -> str:
    """Return a path on one line; a name on the disk can hold anything."""
    return path if path.isprintable() else ascii(path)
