"""What a record did: the one answer of an engine."""

from __future__ import annotations

from typing import Final

from tapeline.schemas.events import Output
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.core.correct.corrections import Correction

ACCEPTED: Final = "accepted"
OUTCOMES: Final = (
    ACCEPTED,
    "off_session",
    "late",
    "changed",
    "cancelled",
    "duplicates",
    "clocks",
    "idle",
)
"""What becomes of a record that is not refused; idle: a cancel or clock without effect."""


class Outcome:
    """What a record did; valid until the next record, for which the same object may be used.

    Attributes
    ----------
    kind
        One of `OUTCOMES`.
    events
        What changed in the view, in the order of publication; a list of its own for every record.
    watermark_ms
        Watermark of the record's symbol after it; `FAR_PAST_MS` where it has none.
    correction
        Of a late, changed or cancelled bar, what it replaced; otherwise None.
    """

    __slots__ = ("correction", "events", "kind", "watermark_ms")

    def __init__(self, kind: str = ACCEPTED) -> None:
        self.kind = kind
        self.events: list[Output] = []
        self.watermark_ms = FAR_PAST_MS
        self.correction: Correction | None = None

    def begin(self) -> None:
        """A record has corrected nothing so far.

        A method, because a compiler that saw the assignment would take the value for None also
        after a correction.
        """
        self.correction = None
