"""What all events of one record share, and the order in which they leave."""

from __future__ import annotations

from tapeline.schemas.events import Event
from tapeline.schemas.instants import FAR_PAST_MS, OUTPUTS_PER_RECORD


class Stamp:
    """Position of the events of one input record in the output.

    Attributes
    ----------
    first_seq
        Source offset x 1,000,000; the n-th output of the record has first_seq + n.
    watermark_ms
        Watermark of the symbol after the record.
    partner_ms
        That of the other symbol of the group; before all instants without one. It is set before
        anything is published.
    out
        Events published so far for this record, in their final order.
    muted
        While bars are run again: their events are compared, and not published as they are.
    """

    __slots__ = ("first_seq", "muted", "out", "partner_ms", "watermark_ms")

    def __init__(self) -> None:
        self.first_seq = 0
        self.watermark_ms = 0
        self.partner_ms = FAR_PAST_MS
        self.out: list[Event] = []
        self.muted = False

    def begin(self, offset: int, watermark_ms: int) -> list[Event]:
        """Start the outputs of one record; returns the list they will be in."""
        self.first_seq = offset * OUTPUTS_PER_RECORD
        self.watermark_ms = watermark_ms
        self.out = []
        return self.out
