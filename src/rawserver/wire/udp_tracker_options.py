"""What may follow an announce to a UDP tracker: the rest of the tracker's URL (BEP 41)."""

from rawserver.wire.announce_request import AnnounceError

END_OF_OPTIONS = 0
NOP = 1
URL_DATA = 2
# One option has at most so much; a longer text is sent in parts.
_LONGEST_PART = 255
# A path has a passkey of 32 to 64 characters and some words. A datagram could have 250 parts.
MAX_URL_DATA_LENGTH = 1024


def encode_url_data(text: str) -> bytes:
    """Return the options that say the path and query of a tracker's URL; none for "".

    ValueError if it is longer than a tracker would read, or not ASCII (escape it before).
    """
    data = text.encode("ascii")
    if len(data) > MAX_URL_DATA_LENGTH:
        raise ValueError(f"the tracker's path has more than {MAX_URL_DATA_LENGTH} bytes")
    parts = []
    for start in range(0, len(data), _LONGEST_PART):
        part = data[start : start + _LONGEST_PART]
        parts.append(bytes((URL_DATA, len(part))) + part)
    return b"".join(parts)


def decode_url_data(data: bytes, start: int = 0) -> str:
    """Return the path and query that the options from `start` on say, or "".

    What is no option that BEP 41 knows is skipped by its length. Bytes above 127 are taken for
    the characters of the same number. Raises AnnounceError for an option that is cut short.
    """
    parts = []
    size = len(data)
    while start < size:
        option = data[start]
        start += 1
        if option == END_OF_OPTIONS:
            break
        if option == NOP:
            continue
        stop = start + 1 + data[start] if start < size else size + 1
        if stop > size:
            raise AnnounceError(f"option {option} of the announce is cut short")
        if option == URL_DATA:
            parts.append(data[start + 1 : stop])
        start = stop
    text = b"".join(parts)
    if len(text) > MAX_URL_DATA_LENGTH:
        raise AnnounceError(f"the path has more than {MAX_URL_DATA_LENGTH} bytes")
    return text.decode("latin-1")
