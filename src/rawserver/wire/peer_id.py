"""Peer ids: the twenty bytes by which a peer names itself, and what they tell of its program."""

OUR_PREFIX = b"-RW0100-"

# BEP 20, "Azureus-style": "-", two letters for the client, four characters of version, "-".
_CLIENTS = {
    "7T": "aTorrent",
    "AG": "Ares",
    "AZ": "Vuze",
    "BC": "BitComet",
    "BI": "BiglyBT",
    "BT": "BitTorrent",
    "DE": "Deluge",
    "FD": "Free Download Manager",
    "FL": "Flud",
    "GT": "anacrolix/torrent",
    "KG": "KGet",
    "KT": "KTorrent",
    "LT": "libtorrent",
    "PI": "PicoTorrent",
    "RN": "rain",
    "RW": "RawServer",
    "SD": "Xunlei",
    "TR": "Transmission",
    "TT": "TuoTu",
    "UE": "uTorrent Embedded",
    "UM": "uTorrent Mac",
    "UT": "uTorrent",
    "UW": "uTorrent Web",
    "WD": "WebTorrent Desktop",
    "WW": "WebTorrent",
    "XL": "Xunlei",
    "lt": "libTorrent (rakshasa)",
    "qB": "qBittorrent",
    "rQ": "rqbit",
    "tT": "tTorrent",
}
_DASHED_CLIENTS = {"A2-": "aria2", "M": "BitTorrent"}


def make_peer_id(random_bytes: bytes) -> bytes:
    """Return a peer id of ours from twelve random bytes; ValueError if they are not twelve."""
    if len(random_bytes) != 12:
        raise ValueError(f"a peer id takes 12 random bytes, not {len(random_bytes)}")
    return OUR_PREFIX + random_bytes


def client_name(peer_id: bytes) -> str:
    """Return the name of a peer's program and its version, as printable ASCII whatever it sent."""
    return _azureus(peer_id) or _mainline(peer_id) or _unnamed(peer_id)


def _azureus(peer_id: bytes) -> str:
    if len(peer_id) < 8 or peer_id[:1] != b"-" or peer_id[7:8] != b"-":
        return ""
    code = peer_id[1:7].decode("latin-1")
    if not (code.isascii() and code.isalnum()):
        return ""
    return f"{_CLIENTS.get(code[:2], code[:2])} {_version(code[2:])}"


def _version(code: str) -> str:
    """Each character is a number of the version; trailing zeros beyond the second tell nothing."""
    numbers = [str(int(character, 36)) for character in code]
    while len(numbers) > 2 and numbers[-1] == "0":
        numbers.pop()
    return ".".join(numbers)


def _mainline(peer_id: bytes) -> str:
    """BEP 20: the original client's form, its letters, then three numbers, a dash after each."""
    text = peer_id[:12].decode("latin-1")
    for letters, name in _DASHED_CLIENTS.items():
        numbers = text[len(letters) :].split("-")[:-1][:3]
        if not text.startswith(letters) or len(numbers) != 3:
            continue
        if all(number.isascii() and number.isdigit() for number in numbers):
            return f"{name} {'.'.join(numbers)}"
    return ""


def _unnamed(peer_id: bytes) -> str:
    if not peer_id:
        return "unknown"
    shown = "".join(chr(byte) if 0x20 < byte < 0x7F else "." for byte in peer_id[:8])
    return f"unknown ({shown})"
