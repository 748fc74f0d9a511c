from rawserver.http.response import HttpResponse
from rawserver.services.tracker.kept_replies import KEEP_SECONDS, MAX_KEPT, KeptReplies


class Maker:
    """Makes replies, and counts them; the clock is beside it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.made = 0
        self.kept = KeptReplies(lambda: self.now)

    def __call__(self) -> HttpResponse:
        self.made += 1
        return HttpResponse(b"%d" % self.made)

    def get(self, name: object) -> bytes:
        return self.kept.get(name, self).body


def test_a_reply_is_made_once_in_a_while() -> None:
    maker = Maker()
    assert [maker.get("a"), maker.get("a"), maker.get("b")] == [b"1", b"1", b"2"]
    maker.now = KEEP_SECONDS
    assert maker.get("a") == b"3"


def test_only_so_many_are_kept() -> None:
    maker = Maker()
    for name in range(10 * MAX_KEPT):
        maker.get(name)
    assert len(maker.kept._kept) <= MAX_KEPT
