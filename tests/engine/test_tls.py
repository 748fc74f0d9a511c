"""TLS settings: which certificates are shown to whom, and what bad files say."""

import os
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from kit.certificates import Authority, Identity
from rawserver.engine.errors import TlsFileError
from rawserver.engine.tls import TlsClient, TlsServer, TlsSettings, explain

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Side:
    """One side's TLS in memory."""

    def __init__(self, settings: TlsSettings, host: str | None = None) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = settings.wrap(self.incoming, self.outgoing, host)

    def step(self, peer: "Side") -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            peer.incoming.write(self.outgoing.read())
        return True


def handshake(
    server: TlsSettings, client: TlsSettings, host: str | None = "example.org"
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Make a handshake in memory; returns the server's and the client's end of it."""
    one, other = Side(server), Side(client, host)
    for _ in range(10):
        if other.step(one) & one.step(other):
            return one.tls, other.tls
    raise AssertionError("the handshake came to no end")


def names_of(client: ssl.SSLObject) -> list[str]:
    """Return whom the certificate is for that the client was shown."""
    der = client.getpeercert(binary_form=True)
    assert der is not None
    certificate = x509.load_der_x509_certificate(der)
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


def test_the_client_verifies_the_server(authority: Authority, identity: Identity) -> None:
    server, client = handshake(TlsServer(*identity), TlsClient(authorities=authority.path))
    assert client.version() == server.version() == "TLSv1.3"
    assert names_of(client) == ["example.org"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("example.org", "example.org"),
        ("www.example.net", "www.example.net"),
        ("WWW.Example.NET.", "www.example.net"),
        ("mail.example.net", "*.example.net"),
        ("a.b.example.net", "example.org"),
        ("example.net", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        (None, "example.org"),
        ("127.0.0.1", "example.org"),
    ],
)
def test_the_name_asked_for_chooses_the_certificate(
    authority: Authority, identity: Identity, asked: str | None, shown: str
) -> None:
    names = {
        "www.example.net": authority.issue("www.example.net"),
        "*.Example.net": authority.issue("*.example.net"),
        "bücher.example": authority.issue("bücher.example"),
    }
    settings = TlsServer(*identity, names=names, alpn=["h2"])
    client_settings = TlsClient(verify=False, alpn=["h2"])
    server, client = handshake(settings, client_settings, asked)
    assert names_of(client) == [shown]
    # What was not the certificate's is as of the first.
    assert client.selected_alpn_protocol() == "h2"
    asks_by_name = asked is not None and not asked[0].isdigit()
    said = server.server_name if hasattr(server, "server_name") else None
    assert (said is not None) == asks_by_name


def test_the_first_protocol_that_both_know_is_taken(identity: Identity) -> None:
    server = TlsServer(*identity, alpn=["h2", "http/1.1"])
    for offered, taken in [(["http/1.1", "h2"], "h2"), (["http/1.1"], "http/1.1"), (["x"], None)]:
        for end in handshake(server, TlsClient(verify=False, alpn=offered)):
            assert end.selected_alpn_protocol() == taken


@pytest.mark.parametrize(
    ("host", "issued", "says"),
    [
        ("example.com", {}, "not valid for 'example.com'"),
        ("example.org", {"not_after": LONG_AGO}, "certificate has expired"),
    ],
)
def test_a_wrong_certificate_is_not_trusted(
    authority: Authority, host: str, issued: dict[str, datetime], says: str
) -> None:
    identity = authority.issue("example.org", **issued)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(TlsServer(*identity), TlsClient(authorities=authority.path), host)
    assert says in explain(caught.value)


def test_an_unknown_authority_is_not_trusted(
    tmp_path: Path, authority: Authority, identity: Identity
) -> None:
    stranger = Authority(tmp_path, "stranger")
    for client in (TlsClient(), TlsClient(authorities=stranger.path)):
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            handshake(TlsServer(*identity), client)
        text = explain(caught.value)
        assert text == (
            "the peer's certificate is not trusted: unable to get local issuer certificate"
        )


def test_a_name_given_stands_in_for_the_host(authority: Authority, identity: Identity) -> None:
    client = TlsClient(authorities=authority.path, server_name="example.org")
    assert names_of(handshake(TlsServer(*identity), client, "127.0.0.1")[1]) == ["example.org"]


def test_an_address_can_be_verified(authority: Authority) -> None:
    server = TlsServer(*authority.issue("127.0.0.1"))
    handshake(server, TlsClient(authorities=authority.path), "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.2"):
        handshake(server, TlsClient(authorities=authority.path), "127.0.0.2")


@pytest.mark.parametrize("host", [None, "", "."])
def test_without_a_name_nothing_can_be_verified(authority: Authority, host: str | None) -> None:
    with pytest.raises(ValueError, match="needs the server's name"):
        Side(TlsClient(authorities=authority.path), host)


def test_a_client_shows_its_certificate(authority: Authority, identity: Identity) -> None:
    settings = TlsServer(*identity, client_authorities=authority.path)
    certificate, key = authority.issue("client@example.org")
    client = TlsClient(authorities=authority.path, certificate=certificate, key=key)
    server, _ = handshake(settings, client)
    shown = server.getpeercert()
    assert shown is not None
    assert shown["subjectAltName"] == (("email", "client@example.org"),)
    with pytest.raises(ssl.SSLError) as caught:
        handshake(settings, TlsClient(authorities=authority.path))
    assert explain(caught.value) == "peer did not return a certificate"


def test_versions_and_ciphers_can_be_chosen(authority: Authority, identity: Identity) -> None:
    old = TlsServer(
        *identity,
        maximum_version=ssl.TLSVersion.TLSv1_2,
        ciphers="ECDHE-ECDSA-AES128-GCM-SHA256",
    )
    server, _ = handshake(old, TlsClient(authorities=authority.path))
    assert server.version() == "TLSv1.2"
    cipher = server.cipher()
    assert cipher is not None
    assert cipher[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    with pytest.raises(ssl.SSLError) as caught:
        handshake(old, TlsClient(verify=False, minimum_version=ssl.TLSVersion.TLSv1_3))
    assert "protocol" in explain(caught.value)


def test_what_was_made_elsewhere_is_used_as_it_is(authority: Authority, identity: Identity) -> None:
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_context.load_cert_chain(*identity)
    client_context = ssl.create_default_context(cafile=authority.path)
    server = TlsServer.from_context(server_context)
    handshake(server, TlsClient.from_context(client_context))
    other = TlsClient.from_context(client_context, server_name="example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, other)
    assert not server.reload_if_changed()
    with pytest.raises(ValueError, match="no files"):
        server.reload()


# Files.


def copy(identity: Identity, folder: Path) -> Identity:
    files = Identity(folder / "certificate.pem", folder / "key.pem")
    for source, target in zip(identity, files, strict=True):
        target.write_bytes(source.read_bytes())
    return files


def test_files_are_read_again(authority: Authority, identity: Identity, tmp_path: Path) -> None:
    files = copy(identity, tmp_path)
    server, client = TlsServer(*files), TlsClient(verify=False)
    assert not server.reload_if_changed()
    early = Side(server)
    copy(authority.issue("new.example.org"), tmp_path)
    assert names_of(handshake(server, client)[1]) == ["example.org"]
    assert server.reload_if_changed()
    assert not server.reload_if_changed()
    assert names_of(handshake(server, client)[1]) == ["new.example.org"]
    # Who began before goes on with what was there then.
    other = Side(client)
    for _ in range(10):
        if other.step(early) & early.step(other):
            break
    assert names_of(other.tls) == ["example.org"]


def test_bad_files_change_nothing(identity: Identity, tmp_path: Path) -> None:
    files = copy(identity, tmp_path)
    server, client = TlsServer(*files), TlsClient(verify=False)
    files.certificate.write_text("half a")
    for _ in range(2):  # it is not taken as seen
        with pytest.raises(TlsFileError, match=r"certificate\.pem"):
            server.reload_if_changed()
    os.unlink(files.key)
    with pytest.raises(FileNotFoundError, match=r"key\.pem"):
        server.reload_if_changed()
    with pytest.raises(FileNotFoundError, match=r"key\.pem"):
        server.reload()
    assert names_of(handshake(server, client)[1]) == ["example.org"]
    copy(identity, tmp_path)
    assert server.reload_if_changed()


def test_the_bad_file_is_named(authority: Authority, identity: Identity, tmp_path: Path) -> None:
    certificate, key = identity
    other = authority.issue("example.com")
    junk, absent = tmp_path / "junk.pem", tmp_path / "absent.pem"
    junk.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    cases: list[tuple[type[OSError], str, Path, Path | None]] = [
        (FileNotFoundError, "absent.pem", absent, key),
        (FileNotFoundError, "absent.pem", certificate, absent),
        (TlsFileError, "not a PEM file of certificates .*junk.pem", junk, key),
        (TlsFileError, "no PEM key .*junk.pem", certificate, junk),
        (TlsFileError, f"not that of the certificate .*{other.key.name}", certificate, other.key),
        (TlsFileError, f"no PEM key .*{certificate.name}", certificate, None),
        (IsADirectoryError, str(tmp_path), tmp_path, key),
    ]
    for kind, says, one, two in cases:
        with pytest.raises(kind, match=says) as caught:
            TlsServer(one, two)
        assert "\n" not in str(caught.value)
    for path, kind in ((junk, TlsFileError), (absent, FileNotFoundError)):
        with pytest.raises(kind, match=path.name):
            TlsClient(authorities=path)
        with pytest.raises(kind, match=path.name):
            TlsServer(*identity, client_authorities=path)


def test_certificate_and_key_may_be_in_one_file(identity: Identity, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(identity.key.read_bytes() + identity.certificate.read_bytes())
    assert names_of(handshake(TlsServer(both), TlsClient(verify=False))[1]) == ["example.org"]


def test_an_encrypted_key_asks_nobody_at_the_terminal(identity: Identity, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as pem

    key = pem.load_pem_private_key(identity.key.read_bytes(), None)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        key.private_bytes(
            pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(b"secret")
        )
    )
    with pytest.raises(TlsFileError, match=r"give its password.*locked\.key"):
        TlsServer(identity.certificate, locked)
    with pytest.raises(TlsFileError, match=r"locked\.key"):
        TlsServer(identity.certificate, locked, password="wrong")
    handshake(TlsServer(identity.certificate, locked, password="secret"), TlsClient(verify=False))


def test_what_cannot_be_is_said(identity: Identity) -> None:
    with pytest.raises(ValueError, match="no cipher of 'nonsense'"):
        TlsServer(*identity, ciphers="nonsense")
    with pytest.raises(ValueError, match="ALPN names"):
        TlsClient(verify=False, alpn=["h2", ""])
    for name in ("", "*", "www.*.org", "*.*.org"):
        with pytest.raises(ValueError, match="no host name"):
            TlsServer(*identity, names={name: identity})


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("TLSV1_ALERT_UNKNOWN_CA", "the peer's alert: unknown ca"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "the peer's alert: handshake failure"),
        ("TLSV1_UNRECOGNIZED_NAME", "the peer's alert: unrecognized name"),
        ("WRONG_VERSION_NUMBER", "wrong version number"),
        (None, "said otherwise"),
    ],
)
def test_errors_are_said_in_words(reason: str | None, text: str) -> None:
    error = ssl.SSLError(1, "said otherwise")
    error.reason = reason  # type: ignore[assignment]
    assert explain(error) == text
