"""What was verified, noted for the next start.

The record says which pieces were verified, and how long and how old each file was then. If every
file is still exactly that, the pieces are believed; else everything is hashed again. Pieces that
were just being written when the record was made are named, and are always hashed.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass

from rawserver.swarm.bitfield import Bitfield, BitfieldError
from rawserver.wire.bencode import BencodeError, Limits, decode, encode

FORMAT = 1
# A bit per piece and some 30 bytes per file: more than the largest torrent that we load can need.
LARGEST_RECORD = 64 * 1024 * 1024
_LIMITS = Limits(size=LARGEST_RECORD)
# A name of 255 bytes, as long as systems allow, has no room for what the record's name adds.
LONGEST_NAME_KEPT = 200

# Length in bytes and time of the last change in nanoseconds; None for a file that is missing.
FileStamp = tuple[int, int] | None


class ResumeError(ValueError):
    """A record that cannot be read, or is that of another torrent."""


@dataclass(frozen=True, slots=True)
class ResumeRecord:
    """The verified pieces, those that were being written, and the stamps of all files in order."""

    info_hash: bytes
    have: Bitfield
    unsure: tuple[int, ...]
    stamps: tuple[FileStamp, ...]

    def to_bytes(self) -> bytes:
        """Return the record as it is kept in a file."""
        return encode(
            {
                "format": FORMAT,
                "info_hash": self.info_hash,
                "have": self.have.to_bytes(),
                "unsure": list(self.unsure),
                "stamps": [[] if stamp is None else list(stamp) for stamp in self.stamps],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, info_hash: bytes, num_pieces: int) -> ResumeRecord:
        """Read a record back. Raises ResumeError for any that is not whole and of this torrent."""
        try:
            match decode(data, _LIMITS):
                case {
                    b"format": int(version),
                    b"info_hash": bytes(whose),
                    b"have": bytes(have),
                    b"unsure": list(unsure),
                    b"stamps": list(stamps),
                }:
                    if version != FORMAT or whose != info_hash:
                        raise ResumeError("it is of another torrent or another version")
                case _:
                    raise ResumeError("it lacks what a record has")
            bits = Bitfield(num_pieces, have)
            pieces = [piece for piece in unsure if isinstance(piece, int)]
            if len(pieces) != len(unsure) or not all(0 <= piece < num_pieces for piece in pieces):
                raise ResumeError("it names pieces that do not exist")
            return cls(info_hash, bits, tuple(pieces), tuple(map(_stamp, stamps)))
        except (BencodeError, BitfieldError) as error:
            raise ResumeError(f"it is damaged: {error}") from error


def _stamp(value: object) -> FileStamp:
    if value == []:
        return None
    match value:
        case [int(size), int(modified_ns)] if size >= 0:
            return size, modified_ns
    raise ResumeError("it has a stamp that is none")


def resume_path(root: str) -> str:
    """Return where the record of the content at `root` lies: hidden, beside the content.

    There it moves with the disk that holds the data, and two torrents into one folder have two.
    """
    folder, name = posixpath.split(root)
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) > LONGEST_NAME_KEPT:
        name = hashlib.sha1(encoded, usedforsecurity=False).hexdigest()
    return posixpath.join(folder, f".{name}.rawserver-resume")
