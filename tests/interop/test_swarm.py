"""One seeder and four getters give to one another; one that is killed loses nothing."""

import filecmp
from collections.abc import Callable
from pathlib import Path

from interop.peers.ours import Ours

GETTERS = 4
MIB = 1024 * 1024


def test_getters_exchange_pieces(big_file: Path, tmp_path: Path, ours: Callable[..., Ours]) -> None:
    size = big_file.stat().st_size
    # Slower than the getters are among themselves, as a line to the outside would be.
    share = ours("share", str(big_file), "--host", "127.0.0.1", "--upload-limit", "60M")
    url = share.wait_event("ready")["torrent_url"]
    getters = [
        ours("get", url, "-o", f"got{number}", "--seed-time", "3") for number in range(GETTERS)
    ]
    uploads = [getter.wait_event("complete", 120)["bytes_uploaded"] for getter in getters]
    for number, getter in enumerate(getters):
        assert getter.process.wait(30) == 0
        got = tmp_path / f"got{number}" / big_file.name
        assert filecmp.cmp(big_file, got, shallow=False)
    share.process.send_signal(2)
    given = share.wait_event("stopped")["bytes_uploaded"]
    assert given < GETTERS * size * 3 // 4, f"the seeder gave {given / size:.2f} copies"
    assert sum(upload > size // 20 for upload in uploads) >= 2, uploads
    assert given + sum(uploads) >= GETTERS * size


def test_a_getter_that_is_killed_goes_on_where_it_was(
    big_file: Path, tmp_path: Path, ours: Callable[..., Ours]
) -> None:
    size = big_file.stat().st_size
    share = ours("share", str(big_file), "--host", "127.0.0.1", "--upload-limit", "50M")
    ready = share.wait_event("ready")
    first = ours("get", ready["torrent_url"], "-o", "got")
    verified = 0
    while verified < size // 2:
        verified = first.wait_event("progress")["bytes_verified"]
    first.kill()
    assert verified < size
    second = ours("get", ready["torrent_url"], "-o", "got")
    complete = second.wait_event("complete", 120)
    assert second.process.wait(30) == 0
    assert filecmp.cmp(big_file, tmp_path / "got" / big_file.name, shallow=False)
    # What was on its way, or not yet whole, comes again; nothing that was verified does.
    assert complete["bytes_downloaded"] <= size - verified
    share.end()
