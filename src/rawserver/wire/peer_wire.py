"""The messages of the peer wire protocol and the bytes that say them (BEP 3, "peer protocol").

Every integer is four bytes, big-endian. Messages are NamedTuples, so two of different kinds with
the same fields compare equal: tell them apart by type. Reading them is `PeerDecoder`'s work.
"""

from struct import Struct
from typing import NamedTuple

PROTOCOL = b"\x13BitTorrent protocol"
HANDSHAKE_LENGTH = 68
INFO_HASH_LENGTH = 20
PEER_ID_LENGTH = 20


class PeerProtocolError(Exception):
    """The peer broke the protocol. Its text says how; the connection cannot go on."""


class Handshake(NamedTuple):
    """What each side says first. `reserved`: eight bytes of extension bits (BEP 4)."""

    info_hash: bytes
    peer_id: bytes
    reserved: bytes


class KeepAlive(NamedTuple):
    """Nothing, said so that the connection is not taken for dead."""


class Choke(NamedTuple):
    """The peer will answer no requests until it unchokes."""


class Unchoke(NamedTuple):
    """The peer will answer requests."""


class Interested(NamedTuple):
    """The peer would ask for blocks if it were unchoked."""


class NotInterested(NamedTuple):
    """The peer wants nothing that we have."""


class Have(NamedTuple):
    """The peer has got this piece."""

    index: int  # type: ignore[assignment]  # over tuple.index, which nobody needs here


class Bitfield(NamedTuple):
    """The pieces that the peer has: the high bit of the first byte is piece 0."""

    bits: bytes


class Request(NamedTuple):
    """Asks for `length` bytes at `begin` of piece `index`."""

    index: int  # type: ignore[assignment]
    begin: int
    length: int


class Piece(NamedTuple):
    """A block of piece `index` at `begin`; the view is valid until the decoder is fed again."""

    index: int  # type: ignore[assignment]
    begin: int
    block: memoryview


class Cancel(NamedTuple):
    """Takes back the request with the same fields."""

    index: int  # type: ignore[assignment]
    begin: int
    length: int


class Port(NamedTuple):
    """The UDP port of the peer's DHT node (BEP 5)."""

    port: int


class Unknown(NamedTuple):
    """A message of a kind that BEP 3 and BEP 5 do not name, extensions among them."""

    id: int
    payload: bytes


Message = (
    Handshake
    | KeepAlive
    | Choke
    | Unchoke
    | Interested
    | NotInterested
    | Have
    | Bitfield
    | Request
    | Piece
    | Cancel
    | Port
    | Unknown
)

CHOKE_ID = 0
UNCHOKE_ID = 1
INTERESTED_ID = 2
NOT_INTERESTED_ID = 3
HAVE_ID = 4
BITFIELD_ID = 5
REQUEST_ID = 6
PIECE_ID = 7
CANCEL_ID = 8
PORT_ID = 9

KEEP_ALIVE = b"\0\0\0\0"
CHOKE = b"\0\0\0\1\0"
UNCHOKE = b"\0\0\0\1\1"
INTERESTED = b"\0\0\0\1\2"
NOT_INTERESTED = b"\0\0\0\1\3"

_ID = Struct(">IB")
_ONE = Struct(">IBI")
_TWO = Struct(">IBII")
_THREE = Struct(">IBIII")
_PORT = Struct(">IBH")


def encode_handshake(info_hash: bytes, peer_id: bytes, reserved: bytes = bytes(8)) -> bytes:
    """Return the 68 bytes of a handshake; ValueError if an argument has the wrong length."""
    if len(info_hash) != INFO_HASH_LENGTH or len(peer_id) != PEER_ID_LENGTH or len(reserved) != 8:
        raise ValueError("a handshake takes 20 bytes of info-hash, 20 of peer id and 8 reserved")
    return PROTOCOL + reserved + info_hash + peer_id


def encode_have(index: int) -> bytes:
    return _ONE.pack(5, HAVE_ID, index)


def encode_bitfield(bits: bytes) -> bytes:
    """Say what we have. `bits`: the first byte's high bit is piece 0, spare bits are zero."""
    return _ID.pack(1 + len(bits), BITFIELD_ID) + bits


def encode_request(index: int, begin: int, length: int) -> bytes:
    return _THREE.pack(13, REQUEST_ID, index, begin, length)


def encode_cancel(index: int, begin: int, length: int) -> bytes:
    return _THREE.pack(13, CANCEL_ID, index, begin, length)


def encode_piece_header(index: int, begin: int, length: int) -> bytes:
    """Return the 13 bytes that go before a block of `length` bytes."""
    return _TWO.pack(9 + length, PIECE_ID, index, begin)


def encode_port(port: int) -> bytes:
    return _PORT.pack(3, PORT_ID, port)


def encode_unknown(kind: int, payload: bytes) -> bytes:
    """Return a message of any kind, for extensions."""
    return _ID.pack(1 + len(payload), kind) + payload
