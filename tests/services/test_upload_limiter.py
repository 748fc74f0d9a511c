from kit.loop import run_until
from rawserver import RawServer
from rawserver.services.upload_limiter import UploadLimiter


class Sender:
    """Wants to send `blocks` blocks of 1000 bytes."""

    def __init__(self, limiter: UploadLimiter, name: str, blocks: int, sent: list[str]) -> None:
        self.closed = False
        self.limiter = limiter
        self.name = name
        self.blocks = blocks
        self.sent = sent

    def send_one(self) -> bool:
        if self.limiter.take(1000):
            self.sent.append(self.name)
            self.blocks -= 1
        return self.blocks > 0


def test_nothing_is_limited_at_zero(raw_server: RawServer) -> None:
    assert UploadLimiter(raw_server, 0).unlimited
    assert not UploadLimiter(raw_server, 1).unlimited


def test_those_who_wait_get_a_block_each_in_turn(raw_server: RawServer) -> None:
    limiter = UploadLimiter(raw_server, 1_000_000)
    sent: list[str] = []
    for name in "abc":
        sender = Sender(limiter, name, 3, sent)
        limiter.wait(sender, sender.send_one)
    run_until(raw_server, lambda: len(sent) == 9)
    assert sorted(sent[:3]) == sorted(sent[3:6]) == sorted(sent[6:]) == ["a", "b", "c"]


def test_the_rate_is_kept(raw_server: RawServer) -> None:
    limiter = UploadLimiter(raw_server, 100_000)
    sent: list[str] = []
    sender = Sender(limiter, "a", 250, sent)
    began = raw_server.network.time()
    limiter.wait(sender, sender.send_one)
    run_until(raw_server, lambda: len(sent) == 250)
    # 250,000 bytes at 100,000 a second, of which the bucket may hold up to a second's worth.
    assert raw_server.network.time() - began >= 1.0


def test_who_is_gone_is_skipped(raw_server: RawServer) -> None:
    limiter = UploadLimiter(raw_server, 1_000_000)
    sent: list[str] = []
    gone, here = Sender(limiter, "gone", 3, sent), Sender(limiter, "here", 1, sent)
    limiter.wait(gone, gone.send_one)
    limiter.wait(here, here.send_one)
    gone.closed = True
    run_until(raw_server, lambda: sent)
    assert sent == ["here"]
