"""The final bars of one symbol, in integer ticks and in the slots of its calendar."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tapeline.schemas.records import Bar
from tests.oracle.trading_days import Slot, Timeline, TradingDay

Fact = dict[str, object]
Number = int | float


@dataclass(frozen=True)
class SlotBar:
    """A bar in its slot; prices in ticks."""

    start_ms: int
    end_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: Number | None


@dataclass(frozen=True)
class Day:
    """One session of the history: its slots in order, and the bars that are present."""

    trading_day: TradingDay
    slots: list[Slot]
    bars: dict[int, SlotBar]

    @property
    def session(self) -> str:
        return self.trading_day.session

    def present(self, slots: Sequence[Slot]) -> list[SlotBar]:
        return [self.bars[slot.start_ms] for slot in slots if slot.start_ms in self.bars]


class Book:
    """All that is computed of one symbol starts here; there must be at least one bar.

    `days` are the sessions of the history: from that of the first bar (off session: the next one)
    on, as far as they have opened before the watermark. `bars` are those in session, by start.
    """

    def __init__(
        self, symbol: str, tick: str, timeline: Timeline, bars: list[Bar], watermark_ms: int
    ) -> None:
        self.symbol = symbol
        self.timeline = timeline
        self.watermark_ms = watermark_ms
        self.first_ms = min(bar.start_ms for bar in bars)
        self._tick = Decimal(tick)
        self.tick = Fraction(tick)
        self.bars: list[SlotBar] = []
        self.days: list[Day] = []
        by_start = {bar.start_ms: bar for bar in bars}
        for trading_day in timeline.days[timeline.index_at(self.first_ms) :]:
            if trading_day.open_ms >= watermark_ms:
                break
            slots = trading_day.slots(timeline.base_ms)
            present = [
                self._slot_bar(by_start[slot.start_ms], slot)
                for slot in slots
                if slot.start_ms in by_start
            ]
            self.bars += present
            self.days.append(Day(trading_day, slots, {bar.start_ms: bar for bar in present}))
        self._starts = [bar.start_ms for bar in self.bars]
        self.by_start = {bar.start_ms: bar for bar in self.bars}
        self.position = {start_ms: index for index, start_ms in enumerate(self._starts)}
        off_session = [each for each in by_start if not timeline.is_open(each)]
        assert len(self.bars) + len(off_session) == len(bars), "a bar beyond the watermark or grid"

    def bars_from(self, start_ms: int) -> list[SlotBar]:
        """Bars labelled at or after an instant."""
        return self.bars[bisect_right(self._starts, start_ms - 1) :]

    def bars_between(self, start_ms: int, end_ms: int) -> list[SlotBar]:
        """Bars labelled in [start_ms, end_ms)."""
        return [bar for bar in self.bars_from(start_ms) if bar.start_ms < end_ms]

    def bar_before(self, start_ms: int) -> SlotBar | None:
        """The last bar labelled before an instant."""
        index = bisect_right(self._starts, start_ms - 1)
        return self.bars[index - 1] if index else None

    def price(self, ticks: int) -> float:
        """The nearest double of a price's decimal."""
        return float(ticks * self._tick)

    def fact(self, kind: str, key: str, start_ms: int, event_ms: int, /, **fields: object) -> Fact:
        """A fact of this symbol whose session is that of `start_ms`."""
        return {
            "type": kind,
            "id": f"{kind}|{self.symbol}|{key}",
            "op": "upsert",
            "symbol": self.symbol,
            "session": self.timeline.session_at(start_ms),
            "event_ms": event_ms,
            **fields,
        }

    def _slot_bar(self, bar: Bar, slot: Slot) -> SlotBar:
        return SlotBar(
            slot.start_ms,
            slot.end_ms,
            self._ticks(bar.open),
            self._ticks(bar.high),
            self._ticks(bar.low),
            self._ticks(bar.close),
            None if bar.volume is None else whole(bar.volume),
        )

    def _ticks(self, price: float) -> int:
        ticks = Decimal(repr(price)) / self._tick
        assert ticks == int(ticks), f"{price!r} is off the tick {self._tick}"
        return int(ticks)


def whole(volume: Number) -> Number:
    """A volume without ``.0``."""
    return int(volume) if isinstance(volume, float) and volume.is_integer() else volume


def volume_of(bars: Sequence[SlotBar]) -> Number | None:
    """Sum in order of start; None if no bar has a volume."""
    total: Number | None = None
    for bar in bars:
        if bar.volume is not None:
            total = bar.volume if total is None else total + bar.volume
    return None if total is None else whole(total)
