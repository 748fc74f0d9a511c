"""How large the pieces of a new torrent are, and sizes as people write them."""

import re

from rawserver.wire.metainfo import MOST_PIECES

SMALLEST = 16 * 1024
# A peer has nothing to offer until its first piece is whole, and a corrupt one is fetched again.
LARGEST_AUTOMATIC = 16 * 1024 * 1024
# A piece is held in memory until its hash is known, and a download has several on the way.
LARGEST = 128 * 1024 * 1024
# Fewer pieces mean that few peers have something to trade early on; more mean a larger .torrent
# (20 bytes each) and more messages. From here on, up to twice as many:
FEWEST_WANTED = 1000

_SIZE = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,6}))?\s*([kmgt]?)(i?b)?", re.IGNORECASE | re.ASCII)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def choose_piece_size(total_size: int) -> int:
    """Return a piece length in bytes for `total_size` bytes of content.

    A power of two from 16 KiB to 16 MiB, the largest that still gives at least 1,000 pieces (hence
    under 2,000). Beyond that range a larger one, if there would otherwise be more pieces than a
    torrent may have. Raises ValueError if nothing is large enough.
    """
    size = SMALLEST
    while size < LARGEST_AUTOMATIC and -(-total_size // (size * 2)) >= FEWEST_WANTED:
        size *= 2
    while -(-total_size // size) > MOST_PIECES:
        size *= 2
    check_piece_size(size)
    return size


def check_piece_size(size: int, total_size: int = 0) -> None:
    """Raise ValueError unless a new torrent may have pieces of `size` bytes.

    The error is one line for a person. `total_size`: bytes of content, if known.
    """
    if size < SMALLEST or size > LARGEST or size & (size - 1):
        raise ValueError(
            f"a piece size is a power of two from {format_size(SMALLEST)} to "
            f"{format_size(LARGEST)}, not {format_size(size)}"
        )
    if -(-total_size // size) > MOST_PIECES:
        raise ValueError(
            f"pieces of {format_size(size)} would be {-(-total_size // size)}, "
            f"more than the limit of {MOST_PIECES}"
        )


def parse_size(text: str) -> int:
    """Return the bytes meant by "262144", "256K", "256 KiB", "1.5M" or "1MiB".

    K, M, G, T are powers of 1024, as everywhere in BitTorrent, with or without "B" or "iB". Raises
    ValueError for anything else, and if it is no whole number of bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    # "5ib" has an i without a unit.
    if match is None or ((match[4] or "").lower() == "ib" and not match[3]):
        raise ValueError(f"{text[:40]!a} is not a size such as 256K or 1MiB")
    fraction = match[2] or ""
    unit: int = 1024 ** _POWER[match[3].lower()]
    scaled = int(match[1] + fraction) * unit
    divisor: int = 10 ** len(fraction)
    size, rest = divmod(scaled, divisor)
    if rest:
        raise ValueError(f"{text[:40]!a} is not a whole number of bytes")
    return size


def format_size(size: int) -> str:
    """Return `size` bytes exactly, as "256 KiB" or "1000 bytes"; parse_size reads the former."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power} {unit}"
    return f"{size} bytes"
