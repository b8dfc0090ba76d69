"""A table of bars on its way into the log: checked, and with clocks where bars are missing.

A live consumer learns of a hole only when something raises the watermark over it. So before a bar
that follows a hole goes a clock at that bar's start, and at the close of every session that ended
without its last bar goes a clock at that close. The end of a file means nothing: the rest of its
session may be in the next one.
"""

from __future__ import annotations

from collections.abc import Iterator

from tapeline.schemas.records import Bar, Clock
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.feeds.items import Feed, Item
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router


class ClockedFeed:
    """Another feed's rows, those that cannot pass as refusals, with clocks between them.

    Clocks have no row. They are those of this file alone: where several files are merged, `Marks`
    over the merged rows finds which of them mean something.
    """

    def __init__(self, feed: Feed, router: Router) -> None:
        self.path = feed.path
        self.ignored = feed.ignored
        self.raw = feed.raw
        self.sha256 = feed.sha256
        self.close = feed.close
        self._feed = feed
        self._router = router

    @property
    def rows(self) -> int:
        """Rows of the file, clocks not counted."""
        return self._feed.rows

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far."""
        return self._feed.bytes_read

    def __iter__(self) -> Iterator[Item]:
        """The rows in order of the file, each clock before the bar that shows the hole."""
        marks = Marks(self._router)
        check = self._router.check
        for item in self._feed:
            content, row, line = item
            if not isinstance(content, Bar):
                yield item
                continue
            try:
                check(content)
            except RecordRejected as error:
                yield Refusal(error.code, error.reason, content.symbol), row, line
                continue
            for time_ms in marks.missing_before(content):
                yield Clock(content.symbol, time_ms), None, line
            marks.take(content)
            yield item


class Marks:
    """Watermarks of symbols, as the engine will have them once it has taken the same records.

    Parameters
    ----------
    router
        Has checked every record that comes here.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._marks: dict[str, int] = {}
        self._plans: dict[str, InstrumentPlan] = {}

    def take(self, record: Bar | Clock) -> bool:
        """Raise the watermark of a record's symbol; whether it was raised.

        A record beyond ``max_ahead`` will be refused, and raises nothing.
        """
        symbol = record.symbol
        plan = self._plan(symbol)
        if isinstance(record, Clock):
            instant = record.time_ms
        else:
            instant = plan.calendar.slot_end(record.start_ms, plan.base_ms)
        known = self._marks.get(symbol)
        if known is not None and (instant <= known or _too_far(plan, known, instant)):
            return False
        self._marks[symbol] = instant
        return True

    def watermark_ms(self, symbol: str) -> int | None:
        """Watermark of a symbol; None before its first record."""
        return self._marks.get(symbol)

    def missing_before(self, bar: Bar) -> Iterator[int]:
        """Instants of the clocks that a bar shows to be due; none before a symbol's first bar.

        None before a bar that will be refused as too far ahead: clocks must not lead up to it.
        """
        known = self._marks.get(bar.symbol)
        if known is None or bar.start_ms <= known:
            return
        plan = self._plan(bar.symbol)
        end = plan.calendar.slot_end(bar.start_ms, plan.base_ms)
        if not _too_far(plan, known, end):
            yield from clock_times(plan.calendar, plan.base_ms, known, bar.start_ms)

    def _plan(self, symbol: str) -> InstrumentPlan:
        plan = self._plans.get(symbol)
        if plan is None:
            plan = self._router.plan(symbol)
            self._plans[symbol] = plan
        return plan


def _too_far(plan: InstrumentPlan, known_ms: int, instant_ms: int) -> bool:
    return plan.max_ahead_ms > 0 and instant_ms - known_ms > plan.max_ahead_ms


def clock_times(
    calendar: Calendar, base_ms: int, watermark_ms: int, label_ms: int
) -> Iterator[int]:
    """Instants that close what is missing between a watermark and the next bar's label.

    The close of each session that has slots without bar before it, then the label itself when
    slots of its own session are missing. Ascending, each above the watermark, none above the label.
    """
    index = calendar.session_of(watermark_ms)
    while calendar.has_session(index) and calendar.close_ms(index) <= label_ms:
        if calendar.slot_count(index, base_ms) > _started(calendar, index, watermark_ms, base_ms):
            yield calendar.close_ms(index)
        index += 1
    if calendar.has_session(index):
        before = _started(calendar, index, watermark_ms, base_ms)
        if _started(calendar, index, label_ms, base_ms) > before:
            yield label_ms


def _started(calendar: Calendar, index: int, instant_ms: int, base_ms: int) -> int:
    return calendar.slots_started(index, instant_ms, base_ms)
