"""Whom commands trust at https://, as their options say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rawserver.cli.command_error import CommandError, describe

if TYPE_CHECKING:
    from rawserver.engine.tls import TlsClient


def tls_trust(ca_file: str | None, insecure: bool) -> TlsClient | None:
    """Return the settings of TLS for `--ca-file` and `--insecure`, None where neither is given.

    Raises CommandError for a file that cannot be used.
    """
    if ca_file is None and not insecure:
        return None
    if ca_file is not None and insecure:
        raise click.UsageError("--ca-file and --insecure exclude each other")
    from rawserver.engine.tls import TlsClient

    try:
        return TlsClient(authorities=ca_file, verify=not insecure, alpn=("http/1.1",))
    except OSError as error:
        raise CommandError(f"--ca-file {describe(error)}") from None
