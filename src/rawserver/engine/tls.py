"""What TLS is to be like: certificates, whom to trust, which protocols.

OpenSSL reads the files itself, so they come from the machine's disk, and constructing or
reloading blocks: small files, but do it in `start_work` once a service runs.
"""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, NoReturn, Protocol

from rawserver.engine.errors import TlsFileError

Path = str | os.PathLike[str]
Password = str | bytes | Callable[[], str | bytes]
# What tells that a file has been changed: time in nanoseconds, size, inode.
_Stamp = tuple[int, int, int]


class TlsSettings(Protocol):
    """What a `TlsLayer` asks: `TlsServer` and `TlsClient`."""

    ragged_eof: bool

    def wrap(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str | None
    ) -> ssl.SSLObject:
        """Return one connection's TLS; ValueError if `host` cannot be one."""


class NamedObject(ssl.SSLObject):
    """A server's side of one connection. `server_name` is what the client asked for, or None."""

    server_name: str | None = None


class TlsServer:
    """TLS for those who connect here.

    `certificate` is a PEM file with the certificate and then those that lead to its root; `key`
    is its key, None where that is in the same file. `names` has other certificates by host name,
    `*.example.org` for all names one level below: the client says which it wants (SNI, RFC 6066,
    section 3); who asks for none of them, or does not ask, gets `certificate`. `alpn` are the
    protocols offered, the best first (RFC 7301); where the client knows none of them the
    connection goes on without one. `client_authorities`, a PEM file or a folder of OpenSSL's
    hashed names, makes every client show a certificate of theirs. `ciphers` is OpenSSL's list
    for TLS 1.2. With `ragged_eof` a stream that ends without close_notify is whole: only where
    the protocol above says how long things are.

    Raises OSError for a file that cannot be read, TlsFileError for one that does not hold what it
    should, each with its name; ValueError for ciphers or protocols that cannot be.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path | None = None,
        *,
        alpn: Sequence[str] = (),
        names: Mapping[str, tuple[Path, Path | None]] | None = None,
        client_authorities: Path | None = None,
        minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        maximum_version: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
        ciphers: str | None = None,
        password: Password | None = None,
        ragged_eof: bool = False,
    ) -> None:
        self.ragged_eof = ragged_eof
        pairs = {_ascii_name(name): pair for name, pair in (names or {}).items()}
        options = _Options(alpn, minimum_version, maximum_version, ciphers)
        self._files: _Files | None = _Files(
            (certificate, key), pairs, client_authorities, password, options
        )
        self._loaded = self._files.load()

    @classmethod
    def from_context(cls, context: ssl.SSLContext, *, ragged_eof: bool = False) -> TlsServer:
        """Use a context as it is. Which name a client asks for is then only known to it."""
        server = cls.__new__(cls)
        server.ragged_eof = ragged_eof
        server._files = None
        server._loaded = _Loaded(context, {}, {})
        return server

    def reload(self) -> None:
        """Read all files again, for the connections that come; those that are there go on.

        Raises as the constructor does; then nothing has changed. It may run in any thread.
        """
        if self._files is None:
            raise ValueError("made from a context: there are no files to read again")
        self._loaded = self._files.load()

    def reload_if_changed(self) -> bool:
        """Do as `reload` if a file is not what it was; returns whether. It blocks: `start_work`.

        Where that fails it is tried anew at the next call: a file may have been half written.
        """
        if self._files is None or self._files.stamps() == self._loaded.stamps:
            return False
        self.reload()
        return True

    def wrap(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str | None = None
    ) -> ssl.SSLObject:
        """Return one connection's TLS; `host` is not asked by a server."""
        return self._loaded.context.wrap_bio(incoming, outgoing, server_side=True)


class TlsClient:
    """TLS for connections made from here; the peer's certificate and name are verified.

    `authorities` are those trusted, a PEM file or a folder of OpenSSL's hashed names; None: the
    system's. `server_name` stands in for the host that is connected to: it is what the client
    asks for and what the certificate must be for. `certificate` and `key` are shown to a server
    that asks. `verify=False` trusts anybody, and so whoever is in between. The rest, and what is
    raised, is as of `TlsServer`.
    """

    def __init__(
        self,
        *,
        authorities: Path | None = None,
        alpn: Sequence[str] = (),
        certificate: Path | None = None,
        key: Path | None = None,
        server_name: str | None = None,
        verify: bool = True,
        minimum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        maximum_version: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
        ciphers: str | None = None,
        password: Password | None = None,
        ragged_eof: bool = False,
    ) -> None:
        self.ragged_eof = ragged_eof
        self.server_name = server_name
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _Options(alpn, minimum_version, maximum_version, ciphers).apply(context)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif authorities is not None:
            _trust(context, authorities)
        else:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if certificate is not None:
            _load_pair(context, certificate, key, password)
        self._context = context

    @classmethod
    def from_context(
        cls,
        context: ssl.SSLContext,
        *,
        server_name: str | None = None,
        ragged_eof: bool = False,
    ) -> TlsClient:
        """Use a context as it is: whether it verifies is up to it."""
        client = cls.__new__(cls)
        client.ragged_eof = ragged_eof
        client.server_name = server_name
        client._context = context
        return client

    def wrap(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str | None = None
    ) -> ssl.SSLObject:
        """Return one connection's TLS to `host`, a name or a literal address.

        ValueError where it is no possible host, or there is none and it is to be verified.
        """
        # The root's dot is not part of what is asked for (RFC 6066, section 3).
        name = (self.server_name or host or "").rstrip(".")
        if not name and self._context.check_hostname:
            raise ValueError("TLS needs the server's name to verify it: give server_name")
        return self._context.wrap_bio(incoming, outgoing, server_hostname=name or None)


class _Options(NamedTuple):
    """What needs no file."""

    alpn: Sequence[str]
    minimum_version: ssl.TLSVersion
    maximum_version: ssl.TLSVersion
    ciphers: str | None

    def apply(self, context: ssl.SSLContext) -> None:
        context.minimum_version = self.minimum_version
        context.maximum_version = self.maximum_version
        # It costs a server ten times what it costs a client, and TLS 1.3 has none.
        context.options |= ssl.OP_NO_RENEGOTIATION
        if self.ciphers is not None:
            try:
                context.set_ciphers(self.ciphers)
            except ssl.SSLError:
                raise ValueError(f"no cipher of {self.ciphers!r} is known") from None
        if self.alpn:
            if not all(0 < len(name.encode()) < 256 for name in self.alpn):
                raise ValueError(f"ALPN names have 1 to 255 bytes: {list(self.alpn)}")
            context.set_alpn_protocols(list(self.alpn))


class _Loaded(NamedTuple):
    """A server's contexts as they were read at one time, and the stamps of their files."""

    context: ssl.SSLContext
    names: dict[str, ssl.SSLContext]
    stamps: dict[str, _Stamp]

    def choose(self, tls: ssl.SSLObject, name: str | None, context: object) -> None:
        """Take the certificate for the name that a client asks for; called by OpenSSL."""
        if name is None:
            return
        if isinstance(tls, NamedObject):
            tls.server_name = name
        name = name.lower()
        found = self.names.get(name) or self.names.get("*." + name.partition(".")[2])
        if found is not None:
            tls.context = found


class _Files(NamedTuple):
    """Where a server's certificates are."""

    default: tuple[Path, Path | None]
    names: dict[str, tuple[Path, Path | None]]
    client_authorities: Path | None
    password: Password | None
    options: _Options

    def load(self) -> _Loaded:
        stamps = self.stamps()  # before reading: what changes meanwhile is seen next time
        context = self._context(self.default)
        names = {name: self._context(pair) for name, pair in self.names.items()}
        loaded = _Loaded(context, names, stamps)
        context.sslobject_class = NamedObject
        context.sni_callback = loaded.choose
        return loaded

    def stamps(self) -> dict[str, _Stamp]:
        paths = [path for pair in (self.default, *self.names.values()) for path in pair]
        found = {}
        for path in (*paths, self.client_authorities):
            if path is not None:
                status = os.stat(path)
                found[os.fspath(path)] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return found

    def _context(self, pair: tuple[Path, Path | None]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.options.apply(context)
        _load_pair(context, *pair, self.password)
        if self.client_authorities is not None:
            _trust(context, self.client_authorities)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def explain(error: ssl.SSLError) -> str:
    """Say in words what OpenSSL found, or the peer with its alert (RFC 8446, section 6)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate is not trusted: {error.verify_message}"
    reason = error.reason or (str(error.args[-1]) if error.args else "unknown error")
    _, alert, said = reason.partition("_ALERT_")
    if not alert:  # some alerts' names do not say that they are
        _, alert, said = reason.partition("TLSV1_")
    words = (said or reason).replace("_", " ").lower()
    return f"the peer's alert: {words}" if alert else words


def _ascii_name(name: str) -> str:
    """Return a host name as SNI has it: lower case, in ASCII (RFC 5890), without the last dot."""
    plain = name.rstrip(".").lower()
    if not plain or "*" in plain.removeprefix("*."):
        raise ValueError(f"{name!r} is no host name, nor a wildcard as *.example.org")
    return plain if plain.isascii() else plain.encode("idna").decode("ascii")


def _load_pair(
    context: ssl.SSLContext, certificate: Path, key: Path | None, password: Password | None
) -> None:
    def no_password() -> NoReturn:  # OpenSSL would ask the terminal
        raise TlsFileError(errno.EACCES, "the key is encrypted: give its password", key_file)

    key_file = os.fspath(certificate if key is None else key)
    for path in (certificate, key_file):
        _check_readable(path)
    try:
        context.load_cert_chain(certificate, key, password or no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            text = f"the key is not that of the certificate in {os.fspath(certificate)!r}"
            raise TlsFileError(errno.EINVAL, text, key_file) from None
        # OpenSSL does not say which of the two files it means.
        with _reading(certificate, "not a PEM file of certificates"):
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(certificate)
        text = f"no PEM key that can be used with its certificate ({explain(error)})"
        raise TlsFileError(errno.EINVAL, text, key_file) from None


def _trust(context: ssl.SSLContext, authorities: Path) -> None:
    if os.path.isdir(authorities):
        context.load_verify_locations(capath=authorities)
        return
    _check_readable(authorities)
    with _reading(authorities, "not a PEM file of certificates"):
        context.load_verify_locations(authorities)


def _check_readable(path: Path) -> None:
    # OpenSSL's own error does not name the file.
    with open(path, "rb"):
        pass


@contextmanager
def _reading(path: Path, fault: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        text = f"{fault} ({explain(error)})"
        raise TlsFileError(errno.EINVAL, text, os.fspath(path)) from None
