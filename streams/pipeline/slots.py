"""A group on its way through a log: its engine, and how far it is."""

from __future__ import annotations

from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.core.engine import GroupEngine


class GroupSlot:
    """One group of a router.

    Attributes
    ----------
    engine
        None: its records are passed over.
    partition
        The one that its records belong in.
    watermark_ms
        Greatest of its symbols; `FAR_PAST_MS` before the first bar or clock.
    held
        Whether a sink gets its next record before that is applied; see `Drive.hold`.
    """

    def __init__(self, group: str, engine: GroupEngine | None) -> None:
        self.group = group
        self.engine = engine
        self.partition = 0
        self.watermark_ms = FAR_PAST_MS
        self.held = False
        if engine is not None:
            for instrument in engine.plan.instruments:
                watermark_ms = engine.watermark_ms(instrument.symbol)
                if watermark_ms is not None and watermark_ms > self.watermark_ms:
                    self.watermark_ms = watermark_ms
