"""Statements of the provider against what the log holds: which of them become records.

Nothing is minted: a record is what the provider stated, or a clock. An equal statement is a repeat,
a newer one that differs a revision, an older one nothing.
"""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Literal

from msgspec.structs import replace

from tapeline.schemas.codec import encode
from tapeline.schemas.config.feeds import FeedConfig
from tapeline.schemas.feed_events import Revised
from tapeline.schemas.ids import revised_id
from tapeline.schemas.records import Bar, Cancel, Clock
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.feeds.clocked_feed import Marks, clock_times
from tapeline.streams.feeds.live.engine.letters import Letters
from tapeline.streams.feeds.live.engine.outbox import Outbox
from tapeline.streams.feeds.live.engine.quiet import QuietRuns
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol
from tapeline.streams.feeds.live.model import FeedLetter, Instant
from tapeline.streams.pipeline.log_writer import LogEntry
from tapeline.streams.pipeline.routing import Router

REVISIONS: Final = 3
"""A slot that changes more often waits for the end of its session: a cache may be answering."""
LETTERS_KEPT: Final = 10_000

Via = Literal["stream", "history", "poll", "failover"]
Outcome = Literal["new", "revised", "repeat", "older", "flapping", "refused", "other"]


class Statements:
    """The records of a feed, made of what its provider states.

    Attributes
    ----------
    letters
        Dead letters since they were last taken away.
    counts
        Statements by what became of them.
    """

    def __init__(
        self,
        settings: FeedConfig,
        router: Router,
        outbox: Outbox,
        quiet: QuietRuns,
        letters: Letters,
    ) -> None:
        self.letters: list[FeedLetter] = []
        self.counts: Counter[str] = Counter()
        self._feed = settings.name
        self._nearest = settings.truth.tick == "nearest"
        self._router = router
        self._marks = Marks(router)
        self._outbox = outbox
        self._quiet = quiet
        self._letters = letters
        self._lettered: set[tuple[str, bytes]] = set()

    def begin(self, state: FeedSymbol) -> None:
        """Take over what the log holds of a symbol."""
        if state.watermark_ms is not None:
            self._marks.take(Clock(state.symbol, state.watermark_ms))

    def take(
        self,
        state: FeedSymbol,
        bar: Bar,
        via: Via,
        order_ms: int,
        came: Instant,
        decides: bool = False,
    ) -> Outcome:
        """A final statement.

        Parameters
        ----------
        order_ms
            When it was stated (``mono_ms``): a message when it came, a row of the history when its
            request was sent. So an update that comes while a request is under way is the newer one.
        came
            When it came here.
        decides
            Whether it ends the back and forth of a slot that changed too often.
        """
        outcome = self._take(state, bar, via, order_ms, came, decides)
        self.counts[outcome] += 1
        return outcome

    def _take(
        self, state: FeedSymbol, bar: Bar, via: Via, order_ms: int, came: Instant, decides: bool
    ) -> Outcome:
        label_ms = bar.start_ms
        if state.backed and state.written_by_other(label_ms, via == "failover", order_ms):
            return "other"
        order = state.orders.get(label_ms)
        if order is not None and (order_ms < order or (order_ms == order and via != "stream")):
            return "older"
        checked = self._checked(state, bar, came)
        if checked is None:
            return "refused"
        state.absent.pop(label_ms, None)
        if label_ms not in state.seen:
            self._write(state, checked, via, order_ms, came)
            return "new"
        known = state.seen[label_ms]
        if known is not None and same_content(known, checked):
            state.orders[label_ms] = order_ms
            state.unknown.remove(label_ms, state.slots.end(label_ms))
            if decides:
                state.flapping.discard(label_ms)
            return "repeat"
        times = state.revisions.get(label_ms, 0) + 1
        if times > REVISIONS and not decides:
            state.flapping.add(label_ms)
            return "flapping"
        state.revisions[label_ms] = times
        state.flapping.discard(label_ms)
        self._revised(state, label_ms, times, came)
        self._write(state, checked, via, order_ms, came)
        return "revised"

    def cancel(
        self, state: FeedSymbol, label_ms: int, via: Via, order_ms: int, came: Instant
    ) -> bool:
        """Take a bar back by the provider's word; whether the log had it."""
        if state.backed and state.written_by_other(label_ms, via == "failover", order_ms):
            return False
        order = state.orders.get(label_ms)
        if state.seen.get(label_ms) is None or (order is not None and order_ms < order):
            return False
        record = Cancel(state.symbol, state.interval, label_ms)
        self._outbox.add(LogEntry(record, via, came.wall_ms))
        state.seen[label_ms] = None
        state.orders[label_ms] = order_ms
        state.absent.pop(label_ms, None)
        self.counts["cancelled"] += 1
        return True

    def clock(self, state: FeedSymbol, time_ms: int, via: str, wall_ms: int) -> None:
        """A clock, where it raises the watermark."""
        record = Clock(state.symbol, time_ms)
        if self._marks.take(record):
            self._outbox.add(LogEntry(record, via, wall_ms))
            state.watermark_ms = time_ms
            state.clock_ms = time_ms
            self.counts["clocks"] += 1

    def letter(self, symbol: str | None, code: str, reason: str, raw: bytes, came: Instant) -> None:
        """A dead letter; one for equal bytes, because a history gives its rows again and again."""
        if (code, raw) in self._lettered:
            return
        if len(self._lettered) >= LETTERS_KEPT:
            self._lettered.clear()
        self._lettered.add((code, raw))
        self.letters += self._letters.write(code, reason, raw, symbol, came)

    def _checked(self, state: FeedSymbol, bar: Bar, came: Instant) -> Bar | None:
        try:
            try:
                self._router.check(bar)
            except RecordRejected as error:
                if error.code != "off_tick" or not self._nearest:
                    raise
                bar = nearest_tick(bar, state.plan.scale.tick)
                self._router.check(bar)
                self.counts["rounded"] += 1
        except RecordRejected as error:
            self.letter(state.symbol, error.code, error.reason, encode(bar), came)
            return None
        return bar

    def _write(self, state: FeedSymbol, bar: Bar, via: Via, order_ms: int, came: Instant) -> None:
        label_ms = bar.start_ms
        end_ms = state.slots.end(label_ms)
        self._quiet.before_bar(state, label_ms, came.wall_ms)
        for time_ms in self._clocks_before(state, bar, end_ms):
            self.clock(state, time_ms, "bar", came.wall_ms)
        stored = replace(bar, source="live" if via in ("stream", "poll") else "fill")
        self._outbox.add(LogEntry(stored, via, came.wall_ms))
        if self._marks.take(stored):
            state.watermark_ms = end_ms
        else:
            self.counts["late"] += 1
        state.seen[label_ms] = stored
        state.orders[label_ms] = order_ms
        state.unknown.remove(label_ms, end_ms)

    def _clocks_before(self, state: FeedSymbol, bar: Bar, end_ms: int) -> list[int]:
        """Clocks that a bar shows to be due: what a file of the same bars has before it."""
        known_ms, limit_ms = state.watermark_ms, state.plan.max_ahead_ms
        if known_ms is not None and 0 < limit_ms < end_ms - known_ms:
            # After a very long outage the bar alone would be too far ahead.
            plan = state.plan
            return list(clock_times(plan.calendar, plan.base_ms, known_ms, bar.start_ms))
        return list(self._marks.missing_before(bar))

    def _revised(self, state: FeedSymbol, label_ms: int, times: int, came: Instant) -> None:
        self._outbox.report(
            Revised(
                id=revised_id(self._feed, state.symbol, label_ms),
                feed=self._feed,
                symbol=state.symbol,
                at_ms=came.wall_ms,
                start_ms=label_ms,
                times=times,
            )
        )


def same_content(one: Bar, other: Bar) -> bool:
    """Whether two bars of one slot say the same: where they come from is no content."""
    return (
        one.open == other.open
        and one.high == other.high
        and one.low == other.low
        and one.close == other.close
        and one.volume == other.volume
    )


def nearest_tick(bar: Bar, tick: str) -> Bar:
    """The bar with each price at the nearest multiple of a tick."""
    step = Decimal(tick)

    def rounded(price: float) -> float:
        whole = (Decimal(repr(price)) / step).quantize(Decimal(1), ROUND_HALF_EVEN)
        return float(whole * step)

    return replace(
        bar,
        open=rounded(bar.open),
        high=rounded(bar.high),
        low=rounded(bar.low),
        close=rounded(bar.close),
    )
