"""Certificates made for a test, in files."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import trustme


class Identity(NamedTuple):
    """PEM files of a certificate with its chain, and of its key."""

    certificate: Path
    key: Path


class Authority:
    """One that issues certificates. `path` is its own, which others trust."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._authority = trustme.CA(organization_name=name)
        self._issued = 0
        self.path = folder / f"{name}.pem"
        self._authority.cert_pem.write_to_path(self.path)

    def issue(self, *names: str, not_after: datetime | None = None) -> Identity:
        """Make a certificate for host names, addresses or whom there is, and its key."""
        self._issued += 1
        stem = f"{self.path.stem}-{self._issued}"
        identity = Identity(self._folder / f"{stem}.pem", self._folder / f"{stem}.key")
        made = self._authority.issue_cert(*names, not_after=not_after)
        identity.key.write_bytes(made.private_key_pem.bytes())
        chain = [blob.bytes() for blob in made.cert_chain_pems]
        identity.certificate.write_bytes(b"".join(chain))
        return identity
