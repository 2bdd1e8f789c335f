"""Stream offsets -> moments: which frame brought an octet."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from pcapdiag.model import Moment
from pcapdiag.smtp.makers import make_moment


class Marks(Protocol):
    """Which of several frames brought which octets of one call (by structure `pcapdiag.tcp.connection.Marks`)."""

    @property
    def offsets(self) -> Sequence[int]: ...
    @property
    def times_ns(self) -> Sequence[int]: ...
    @property
    def frames(self) -> Sequence[int]: ...
    @property
    def capture(self) -> int: ...


class Clock:
    """Answers for the octets of the latest call, in either direction."""

    __slots__ = ("_marks", "only")

    def __init__(self) -> None:
        self._marks: Marks | None = None
        self.only: Moment | None = None
        """The frame of all octets of the call, when one frame brought them: spares the question."""

    def set(self, frames: Moment | Marks) -> None:
        """Octets came, or will never come: the frame of all of them, or their frames."""
        if isinstance(frames, Moment):
            self.only = frames
        else:
            self._marks, self.only = frames, None

    @property
    def latest(self) -> Moment | None:
        """The last frame of the latest call; None before the first."""
        return self.only or (self(1 << 62) if self._marks is not None else None)

    def __call__(self, offset: int) -> Moment:
        """The frame that brought the octet at `offset` (of earlier calls: the first frame of this one)."""
        if self.only is not None:
            return self.only
        marks = self._marks
        assert marks is not None
        offsets = marks.offsets
        at = bisect_right(offsets, offset) - 1 if offset > offsets[0] else 0
        return make_moment((marks.times_ns[at], marks.capture, marks.frames[at]))
