"""Events of sessions, their quality and their gaps."""

from __future__ import annotations

from tapeline.schemas.events import Gap, Quality, Session
from tapeline.schemas.ids import gap_id, quality_id, session_id
from tapeline.streams.core.calendar import EARLY_CLOSE
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.ratio import ratio
from tapeline.streams.core.sessions.facts import GapFact, QualityFact, SessionFact
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.volume import written_volume


class SessionEvents:
    """Makes the events of one symbol, each the next one of the stamp."""

    __slots__ = ("_base_ms", "_calendar", "_interval", "_scale", "_symbol")

    def __init__(self, plan: InstrumentPlan) -> None:
        self._symbol = plan.symbol
        self._interval = plan.base
        self._base_ms = plan.base_ms
        self._calendar = plan.calendar
        self._scale = plan.scale

    def session(self, fact: SessionFact, stamp: Stamp) -> Session:
        """A session, open or closed."""
        calendar = self._calendar
        session = calendar.date(fact.index)
        price = self._scale.price
        return Session(
            session_id(self._symbol, session),
            "upsert",
            stamp.first_seq + len(stamp.out),
            0,
            self._symbol,
            session,
            fact.event_ms,
            stamp.watermark_ms,
            None,
            "closed" if fact.closed else "open",
            calendar.open_ms(fact.index),
            calendar.close_ms(fact.index),
            calendar.flags(fact.index) & EARLY_CLOSE != 0,
            fact.bars,
            calendar.slot_count(fact.index, self._base_ms),
            written_volume(fact.volume),
            None if fact.high is None else price(fact.high),
            None if fact.low is None else price(fact.low),
        )

    def quality(self, fact: QualityFact, stamp: Stamp) -> Quality:
        """The completeness of a session."""
        return Quality(
            quality_id(self._symbol, self._interval, fact.session),
            "upsert",
            stamp.first_seq + len(stamp.out),
            0,
            self._symbol,
            fact.session,
            fact.as_of_ms,
            stamp.watermark_ms,
            None,
            self._interval,
            fact.as_of_ms,
            fact.due,
            fact.actual,
            fact.due - fact.actual,
            ratio(100 * fact.actual, fact.due),
        )

    def gap(self, fact: GapFact, stamp: Stamp) -> Gap:
        """A run of missing slots."""
        return Gap(
            gap_id(self._symbol, self._interval, fact.start_ms),
            "upsert",
            stamp.first_seq + len(stamp.out),
            0,
            self._symbol,
            fact.session,
            fact.event_ms,
            stamp.watermark_ms,
            None,
            self._interval,
            fact.start_ms,
            fact.end_ms,
            fact.missing,
            "closed" if fact.closed else "open",
        )
