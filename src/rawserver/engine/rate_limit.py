"""Rate limits as a tree: process, service, context, connection; each in both directions."""

from __future__ import annotations

from types import EllipsisType

from rawserver.engine.rate_bucket import RateBucket, Scheduler, check_rate


class RateLimit:
    """At most so many bytes per second for all beneath it; None is no limit of its own.

    `download` and `upload` are its buckets, in two trees of the same shape that know nothing of
    each other. Children of one limit have equal shares, and use what their siblings do not.
    It is held by who uses it and by its children, never by its parent: nothing has to be removed
    for its memory's sake.
    """

    __slots__ = ("download", "parent", "upload")

    def __init__(
        self,
        scheduler: Scheduler,
        download: float | None = None,
        upload: float | None = None,
        parent: RateLimit | None = None,
    ) -> None:
        self.parent = parent
        self.download: RateBucket = RateBucket(
            scheduler, download, parent.download if parent is not None else None
        )
        self.upload: RateBucket = RateBucket(
            scheduler, upload, parent.upload if parent is not None else None
        )

    def set(
        self,
        *,
        download: float | EllipsisType | None = ...,
        upload: float | EllipsisType | None = ...,
    ) -> None:
        """Change limits, at once for those who wait; `...` leaves a direction as it is.

        ValueError, and nothing changed, if one is not above 0 and finite.
        """
        for rate in (download, upload):
            if not isinstance(rate, EllipsisType):
                check_rate(rate)
        if not isinstance(download, EllipsisType):
            self.download.set_rate(download)
        if not isinstance(upload, EllipsisType):
            self.upload.set_rate(upload)

    def move(self, parent: RateLimit | None) -> None:
        """Go under another parent, with all beneath; ValueError if that is beneath this."""
        self.download.move(parent.download if parent is not None else None)
        self.upload.move(parent.upload if parent is not None else None)
        self.parent = parent

    def remove(self) -> None:
        """Limit nothing any more: who is beneath is under the parent alone, and loses no turn."""
        self.set(download=None, upload=None)
