"""Reads the peer wire protocol (BEP 3) from chunks whose borders mean nothing."""

from collections.abc import Callable
from struct import Struct

from rawserver.wire.peer_wire import (
    BITFIELD_ID,
    CANCEL_ID,
    CHOKE_ID,
    HANDSHAKE_LENGTH,
    HAVE_ID,
    INTERESTED_ID,
    NOT_INTERESTED_ID,
    PIECE_ID,
    PORT_ID,
    PROTOCOL,
    REQUEST_ID,
    UNCHOKE_ID,
    Bitfield,
    Cancel,
    Choke,
    Handshake,
    Have,
    Interested,
    KeepAlive,
    Message,
    NotInterested,
    PeerProtocolError,
    Piece,
    Port,
    Request,
    Unchoke,
    Unknown,
)

# Everybody asks for 16 KiB; 128 KiB is the largest block that any client ever served.
MAX_BLOCK_LENGTH = 128 * 1024
# Extensions send long messages (metadata, peer exchange), none near this; it is what one
# connection can make us hold. A bitfield before the torrent is known has the same limit, which is
# four times that of the largest torrent we load (2,097,152 pieces).
MAX_MESSAGE_LENGTH = 1024 * 1024 + 9

_PIECE_HEADER_LENGTH = 9
_LONGEST_PIECE = _PIECE_HEADER_LENGTH + MAX_BLOCK_LENGTH
_FIXED_LENGTHS = {
    CHOKE_ID: 1,
    UNCHOKE_ID: 1,
    INTERESTED_ID: 1,
    NOT_INTERESTED_ID: 1,
    HAVE_ID: 5,
    REQUEST_ID: 13,
    CANCEL_ID: 13,
    PORT_ID: 3,
}
_NAMES = {
    CHOKE_ID: "choke",
    UNCHOKE_ID: "unchoke",
    INTERESTED_ID: "interested",
    NOT_INTERESTED_ID: "not interested",
    HAVE_ID: "have",
    REQUEST_ID: "request",
    CANCEL_ID: "cancel",
    PORT_ID: "port",
}

# Length, id and three integers: the whole of a request and the head of a piece.
_HEAD = Struct(">IBIII")
_INTEGER = Struct(">I")
_TWO_INTEGERS = Struct(">II")
_THREE_INTEGERS = Struct(">III")
_PORT = Struct(">H")

_KEEP_ALIVE = KeepAlive()
# Of the messages that come most, without a call of Python's own for each.
_new = tuple.__new__


def _parse_piece(payload: memoryview) -> Piece:
    index, begin = _TWO_INTEGERS.unpack_from(payload)
    return Piece(index, begin, payload[8:])


_PARSERS: dict[int, Callable[[memoryview], Message]] = {
    CHOKE_ID: lambda payload: Choke(),
    UNCHOKE_ID: lambda payload: Unchoke(),
    INTERESTED_ID: lambda payload: Interested(),
    NOT_INTERESTED_ID: lambda payload: NotInterested(),
    HAVE_ID: lambda payload: Have(*_INTEGER.unpack(payload)),
    BITFIELD_ID: lambda payload: Bitfield(bytes(payload)),
    REQUEST_ID: lambda payload: Request(*_THREE_INTEGERS.unpack(payload)),
    PIECE_ID: _parse_piece,
    CANCEL_ID: lambda payload: Cancel(*_THREE_INTEGERS.unpack(payload)),
    PORT_ID: lambda payload: Port(*_PORT.unpack(payload)),
}


class PeerDecoder:
    """Turns what one peer sends into messages, the handshake first.

    `num_pieces` may be set when the torrent is known; it then bounds the length of a bitfield
    (whether that is exact is for the peer's handler to say). `handshake=False` starts after it.

    `missing` says how many bytes the message lacks whose beginning has come; 0 if none has, or too
    little. Who receives just so much more, and whole messages after it, saves the next one's copy.
    """

    __slots__ = ("_handshaking", "_num_pieces", "_part", "missing")

    def __init__(self, num_pieces: int | None = None, handshake: bool = True) -> None:
        self._num_pieces = num_pieces
        self._handshaking = handshake
        # The beginning of a message (or of the handshake) whose end has not come.
        self._part = bytearray()
        self.missing = 0

    @property
    def num_pieces(self) -> int | None:
        """How many pieces the torrent has; None while it is not known."""
        return self._num_pieces

    @num_pieces.setter
    def num_pieces(self, num_pieces: int | None) -> None:
        self._num_pieces = num_pieces
        # The length of a bitfield that has begun is looked at again when more of it comes.
        self.missing = 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[Message]:
        """Return the messages that end within `data`.

        A block that lies whole in `data` is a view into it, not a copy, and valid as long as
        `data` stays as it is: until the next feed.

        Raises PeerProtocolError at once when the peer breaks the protocol: messages before the
        fault in the same chunk are dropped, for the connection ends anyway. The decoder is then
        of no more use.
        """
        missing = self.missing
        if missing > len(data):
            # A slow peer's block comes in many parts: this is all that is done for most of them.
            self._part += data
            self.missing = missing - len(data)
            return []
        view = memoryview(data)
        messages: list[Message] = []
        position = missing
        if missing:
            self._part += view[:missing]
            self._parse(self._take_part(), 0, messages)
        elif self._part or self._handshaking:
            position = self._resume(view, messages)
        position = self._parse(view, position, messages)
        if position < len(view):
            self._part += view[position:]
        return messages

    def _take_part(self) -> memoryview:
        part = memoryview(self._part)
        # The next one gets its own: a block in this one is a view into it.
        self._part = bytearray()
        self.missing = 0
        return part

    def _resume(self, view: memoryview, messages: list[Message]) -> int:
        """Complete what was begun in an earlier chunk; return how much of `view` that took."""
        part = self._part
        position, end = 0, len(view)
        # Only what has arrived is held, never what a length promises. Each byte is copied once.
        while len(part) < (needed := self._needed()):
            if position == end:
                if len(part) >= 5 and not self._handshaking:
                    self.missing = needed - len(part)
                return end
            stop = min(end, position + needed - len(part))
            part += view[position:stop]
            position = stop
        whole = self._take_part()
        if self._handshaking:
            self._handshaking = False
            messages.append(Handshake(bytes(part[28:48]), bytes(part[48:68]), bytes(part[20:28])))
        else:
            self._parse(whole, 0, messages)
        return position

    def _needed(self) -> int:
        """How long the message in `_part` must be before more can be said of it."""
        part = self._part
        if self._handshaking:
            if not PROTOCOL.startswith(part[: len(PROTOCOL)]):
                raise PeerProtocolError("does not speak the BitTorrent protocol")
            return HANDSHAKE_LENGTH
        if len(part) < 4:
            return 4
        length: int = _INTEGER.unpack_from(part)[0]
        if length == 0:
            return 4
        if len(part) < 5:
            return 5
        self._check_length(length, part[4])
        return 4 + length

    def _parse(self, view: memoryview, position: int, messages: list[Message]) -> int:
        """Append the whole messages from `position` on; return where the first broken one begins.

        How much that lacks is noted, if enough of it is there to tell.

        The order of the tests is that of frequency: blocks to one who downloads, requests to one
        who uploads. A keep-alive has no id, but its length of 0 fits none of the tests.
        """
        end = len(view)
        unpack = _HEAD.unpack_from
        append, new = messages.append, _new
        last_head = end - _HEAD.size
        while position <= last_head:
            length, kind, index, begin, count = unpack(view, position)
            if kind == PIECE_ID and _PIECE_HEADER_LENGTH < length <= _LONGEST_PIECE:
                stop = position + 4 + length
                if stop > end:
                    self.missing = stop - end
                    return position
                append(new(Piece, (index, begin, view[position + 13 : stop])))
                position = stop
            elif kind == REQUEST_ID and length == 13:
                append(new(Request, (index, begin, count)))
                position += 17
            elif kind == HAVE_ID and length == 5:
                append(new(Have, (index,)))
                position += 9
            else:
                stop = self._parse_one(view, position, messages)
                if stop == position:
                    return position
                position = stop
        while position < end and (stop := self._parse_one(view, position, messages)) != position:
            position = stop
        return position

    def _parse_one(self, view: memoryview, position: int, messages: list[Message]) -> int:
        """Append one message of any kind; return its end, or `position` if it is not whole."""
        available = len(view) - position
        if available < 4:
            return position
        length: int = _INTEGER.unpack_from(view, position)[0]
        if length == 0:
            messages.append(_KEEP_ALIVE)
            return position + 4
        if available < 5:
            return position
        kind = view[position + 4]
        self._check_length(length, kind)
        stop = position + 4 + length
        if stop > len(view):
            self.missing = stop - len(view)
            return position
        payload = view[position + 5 : stop]
        parser = _PARSERS.get(kind)
        messages.append(Unknown(kind, bytes(payload)) if parser is None else parser(payload))
        return stop

    def _check_length(self, length: int, kind: int) -> None:
        """Refuse a message by its first five bytes, before the rest of it is held."""
        if kind == PIECE_ID:
            if not _PIECE_HEADER_LENGTH < length <= _LONGEST_PIECE:
                raise PeerProtocolError(f"sends a block of {length - _PIECE_HEADER_LENGTH} bytes")
        elif kind == BITFIELD_ID:
            pieces = self._num_pieces
            limit = MAX_MESSAGE_LENGTH if pieces is None else 1 + -(-pieces // 8)
            if length > limit:
                raise PeerProtocolError(
                    f"sends a bitfield of {length - 1} bytes where {limit - 1} are enough"
                )
        elif kind in _FIXED_LENGTHS:
            if length != _FIXED_LENGTHS[kind]:
                raise PeerProtocolError(
                    f"sends a {_NAMES[kind]} message of {length} bytes, not {_FIXED_LENGTHS[kind]}"
                )
        elif length > MAX_MESSAGE_LENGTH:
            raise PeerProtocolError(f"sends a message of {length} bytes")
