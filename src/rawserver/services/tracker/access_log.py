"""A line for each request, in a file: as Apache's "combined" lines, with times of ISO 8601."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from rawserver.engine import RawServer
from rawserver.http.request import HttpRequest
from rawserver.http.response import HttpResponse

# bttrack's min_time_between_log_flushes.
FLUSH_SECONDS = 3.0
# So many bytes are written without waiting for the time.
FLUSH_BYTES = 256 * 1024
# A disk that hangs must not fill the memory: lines above this are lost, and counted.
MAX_WAITING_BYTES = 8 * 1024 * 1024
# No URL or program's name that is longer tells anybody more.
MAX_FIELD_LENGTH = 2048

_KEYS = re.compile(r"([?&](?:pass)?key=)[^&]*")
# What could end a field or a line, or speak to a terminal, is written as \xHH.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x22, 0x5C, *range(0x7F, 0x100))}


class LogFile(Protocol):
    """What lines are appended to; an engine's `File` of mode "a" is one. Its methods block."""

    def write(self, data: bytes, offset: int) -> None: ...
    def close(self) -> None: ...


class AccessLog:
    """Notes requests; give it to `HttpOptions` and close it at the end.

    `open_file()` opens the file to append to, and may raise OSError, as its methods may; it is
    called off the loop. `clock` is the wall clock, in seconds since 1970. What goes wrong with the
    file is reported once, until it goes well again, and costs lines but nothing else. Several
    processes may append to one file: each writes whole lines at once.
    """

    def __init__(
        self, raw_server: RawServer, open_file: Callable[[], LogFile], clock: Callable[[], float]
    ) -> None:
        self._raw_server = raw_server
        self._open_file = open_file
        self._clock = clock
        self._file: LogFile | None = None
        self._lines: list[str] = []
        self._waiting_bytes = 0
        self._lost_lines = 0
        self._is_due = False
        # Opening or writing is under way.
        self._busy = False
        self._reopens = False
        self._failed = False
        self._closed = False
        self._second = -1
        self._shown_second = ""

    def __call__(self, request: HttpRequest, response: HttpResponse, length: int) -> None:
        """Note one request; for `HttpServer`."""
        agent = request.headers.get("user-agent", "")
        referer = request.headers.get("referer", "")
        target = _field(_target(request))
        self._add(
            f'{request.ip or "-"} - - [{self._time()}] "{request.method} {target} '
            f'HTTP/{request.version}" {response.status} {length} "{_field(referer) or "-"}" '
            f'"{_field(agent) or "-"}"\n'
        )

    def nat_check(self, ip: str, port: int, verdict: int) -> None:
        """Note one NAT check as bttrack did, as if it were a request; for `NatCheck`."""
        where = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        self._add(f'{ip} - - [{self._time()}] "!natcheck-{where}" {verdict:d} 0 "-" "-"\n')

    def reopen(self) -> None:
        """Go on in a new file of the same name: the old one was renamed (log rotation)."""
        self._reopens = True
        self._flush()

    def close(self) -> None:
        """Write what waits, in this thread; nothing is noted any more."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._lines:
                self._write_last("".join(self._lines).encode("ascii"))
            if self._file is not None and not self._busy:
                self._file.close()
        except OSError as error:
            self._report(error)
        self._lines.clear()

    def _write_last(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._open_file()
        self._file.write(data, 0)

    # On the loop.

    def _time(self) -> str:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._shown_second = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"
        return self._shown_second

    def _add(self, line: str) -> None:
        if self._closed:
            return
        if self._waiting_bytes > MAX_WAITING_BYTES:
            self._lost_lines += 1
            return
        self._lines.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes > FLUSH_BYTES and not self._busy:
            self._flush()
        elif not self._is_due:
            self._is_due = True
            self._raw_server.add_task(self._flush_is_due, FLUSH_SECONDS)

    def _flush_is_due(self) -> None:
        self._is_due = False
        self._flush()

    def _flush(self) -> None:
        """Begin to write what waits, unless something is being written: then after that."""
        if self._busy or self._closed:
            return
        if self._reopens:
            self._reopens = False
            old, self._file = self._file, None
            if old is not None:
                self._busy = True
                self._raw_server.start_work(old.close, (), self._closed_old)
                return
        if not self._lines:
            return
        self._busy = True
        if self._file is None:
            self._raw_server.start_work(self._open_file, (), self._was_opened)
            return
        if self._failed:
            # The last line may be there in part.
            self._lines.insert(0, "\n")
        data = "".join(self._lines).encode("ascii")
        self._lines.clear()
        self._waiting_bytes = 0
        self._raw_server.start_work(self._file.write, (data, 0), self._was_written)

    def _closed_old(self, result: object, error: BaseException | None) -> None:
        self._went(error)
        self._flush()

    def _was_opened(self, file: LogFile | None, error: BaseException | None) -> None:
        self._went(error)
        if file is None:
            self._lines.clear()
            self._waiting_bytes = 0
        else:
            self._file = file
            self._flush()

    def _was_written(self, result: object, error: BaseException | None) -> None:
        self._went(error)
        if self._reopens or self._waiting_bytes > FLUSH_BYTES:
            self._flush()

    def _went(self, error: BaseException | None) -> None:
        self._busy = False
        if error is not None:
            self._report(error)
            return
        self._failed = False
        if self._lost_lines:
            lost, self._lost_lines = self._lost_lines, 0
            self._raw_server.report(
                logging.WARNING, f"the access log could not keep up: {lost} lines are lost"
            )

    def _report(self, error: BaseException) -> None:
        if not self._failed:
            self._failed = True
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            self._raw_server.report(logging.ERROR, f"the access log cannot be written: {reason}")


def _target(request: HttpRequest) -> str:
    """Return path and query as they came, but for a passkey: whoever reads it could announce by it.

    It comes as `/KEY/announce`, or by a slip as `/KEY/announce/` or `/KEY/announce.php`; a client's
    own `key` is in the query.
    """
    target = request.target[len(request.path) :]
    if "key=" in target:
        target = _KEYS.sub(r"\1***", target)
    key, slash, last = request.path[1:].partition("/")
    if slash and key and last.startswith(("announce", "scrape", "file")):
        return f"/***/{last}{target}"
    return request.path + target


def _field(text: str) -> str:
    return text[:MAX_FIELD_LENGTH].translate(_ESCAPES)
