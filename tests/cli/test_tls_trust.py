import ssl
from pathlib import Path

import click
import pytest

from kit.certificates import Authority
from rawserver.cli.command_error import CommandError
from rawserver.cli.tls_trust import tls_trust
from rawserver.engine.tls import TlsClient


def wrap(tls: TlsClient | None) -> ssl.SSLContext:
    assert tls is not None
    return tls.wrap(ssl.MemoryBIO(), ssl.MemoryBIO(), "example.org").context


def test_without_options_it_is_for_the_system_to_say() -> None:
    assert tls_trust(None, False) is None


def test_only_the_file_is_trusted(tmp_path: Path) -> None:
    context = wrap(tls_trust(str(Authority(tmp_path).path), False))
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_anybody_is_trusted() -> None:
    context = wrap(tls_trust(None, True))
    assert context.verify_mode is ssl.CERT_NONE


def test_both_are_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="exclude each other"):
        tls_trust(str(Authority(tmp_path).path), True)


def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^--ca-file .*/x\.pem: No such file or directory$"):
        tls_trust(str(tmp_path / "x.pem"), False)
    (tmp_path / "a.pem").write_text("nothing")
    with pytest.raises(CommandError, match=r"^--ca-file .*/a\.pem: not a PEM file of certificates"):
        tls_trust(str(tmp_path / "a.pem"), False)
