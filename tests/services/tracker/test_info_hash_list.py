from kit.tracker_files import HASH, OTHER_HASH, Files, verdict
from rawserver.services.tracker.info_hash_list import AllowedHashes, DeniedHashes, InfoHashList


def test_only_what_is_allowed_is_tracked_as_the_list_is_now() -> None:
    files = Files(list=f"# ours\n{HASH.hex()}\n".encode())
    allowed = files.follow(InfoHashList)
    gate = AllowedHashes(allowed)
    assert len(allowed) == 1
    assert verdict(gate) is None
    assert verdict(gate, info_hash=OTHER_HASH) == "this torrent is not tracked here"
    files.put("list", OTHER_HASH.hex().encode())
    files.wait()
    assert verdict(gate) == "this torrent is not tracked here"
    assert verdict(gate, info_hash=OTHER_HASH) is None


def test_an_empty_list_of_what_is_allowed_allows_nothing() -> None:
    files = Files(list=b"# none yet\n")
    assert verdict(AllowedHashes(files.follow(InfoHashList))) is not None
    assert verdict(AllowedHashes()) is not None


def test_a_bad_line_opens_nothing() -> None:
    files = Files(list=HASH.hex().encode())
    denied = DeniedHashes(files.follow(InfoHashList))
    files.put("list", HASH.hex().encode() + b"\noops\n")
    files.wait()
    assert verdict(denied) == "this torrent is refused here"
    files.put("list", b"oops\n")
    files.wait()
    assert verdict(denied) == "this torrent is refused here"
    assert len(files.reports) == 2
    assert files.reports[0].startswith("/list:2: 'oops' is no info-hash")


def test_what_is_denied_is_refused() -> None:
    gate = DeniedHashes(set(), {OTHER_HASH})
    assert verdict(gate) is None
    assert verdict(gate, info_hash=OTHER_HASH) == "this torrent is refused here"
    assert verdict(AllowedHashes(set(), {HASH})) is None
