"""Logs that bring clean books in disorder, as feeds and vendors do; their final bars are the books.

Each bar has an instant at which it would come in order, its end. What happens to it moves it, or
adds records after it. Nothing comes so late that it is beyond the correction horizon.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import msgspec

from tapeline.schemas.config.model import Config
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.calendars import load_calendar

MINUTE_MS = 60_000
SECOND_MS = 1_000
TEN_MINUTES_MS = 600_000

Arrival = tuple[int, LogRecord]


def disordered(
    bars: Sequence[Bar],
    config: Config,
    seed: int,
    behind_ms: dict[str, int] | None = None,
    deep: int = 4,
) -> list[LogRecord]:
    """A log of late, repeated, wrong, cancelled and withheld bars, and of clocks.

    Parameters
    ----------
    bars
        The clean books, of any symbols, in any order.
    behind_ms
        How far each symbol is behind the others.
    deep
        How many bars of each symbol are put right, and how many holes filled, at any time inside
        the horizon; all else happens within minutes.
    """
    arrivals: list[Arrival] = []
    for symbol in sorted({bar.symbol for bar in bars}):
        book = sorted((bar for bar in bars if bar.symbol == symbol), key=lambda each: each.start_ms)
        behind = (behind_ms or {}).get(symbol, 0)
        disorder = _Disorder(book, config, Random(f"{symbol}{seed}"), deep)
        arrivals += [(instant + behind, record) for instant, record in disorder.arrivals()]
    arrivals.sort(key=lambda arrival: arrival[0])
    return [record for _, record in arrivals]


class _Disorder:
    """What happens to the bars of one symbol."""

    def __init__(self, book: list[Bar], config: Config, random: Random, deep: int) -> None:
        instrument = config.instrument(book[0].symbol)
        assert instrument is not None
        self._book = book
        self._random = random
        self._calendar = load_calendar(instrument.calendar)
        self._base_ms = parse_interval(instrument.base).length_ms
        self._deep = deep
        self._horizon = instrument.horizon_sessions
        self._labels = {bar.start_ms for bar in book}
        self._last_ms = self._end(book[-1])

    def arrivals(self) -> Iterator[Arrival]:
        """Records with the instant of their arrival."""
        random = self._random
        withheld = self._withheld()
        revised = {random.randrange(len(self._book)) for _ in range(self._deep)}
        for number, bar in enumerate(self._book):
            end = self._end(bar)
            if number in withheld:
                yield self._much_later(bar, end, withheld[number]), bar
            elif number in revised:
                yield end, self._wrong(bar)
                yield self._much_later(bar, end, random.random()), bar
            else:
                yield from self._within_minutes(bar, end)
            if random.random() < 0.02:
                strikes = min(end + random.randrange(5) * SECOND_MS, self._last_ms)
                yield end + 10 * SECOND_MS, Clock(bar.symbol, strikes)

    def _within_minutes(self, bar: Bar, end: int) -> Iterator[Arrival]:
        soon = end + self._random.randint(SECOND_MS, TEN_MINUTES_MS)
        draw = self._random.random()
        if draw < 0.02:
            yield end, self._wrong(bar)
            yield soon, bar
        elif draw < 0.07:
            yield soon, bar
        else:
            yield end, bar
        if 0.07 <= draw < 0.08:
            yield soon, Cancel(bar.symbol, bar.interval, bar.start_ms)
            yield soon + TEN_MINUTES_MS, bar
        elif 0.08 <= draw < 0.10:
            again = self._much_later(bar, end, self._random.random())
            yield again, msgspec.structs.replace(bar, source="fill")
        elif 0.10 <= draw < 0.11 and self._is_free(bar.start_ms + self._base_ms):
            never = msgspec.structs.replace(self._wrong(bar), start_ms=bar.start_ms + self._base_ms)
            yield end + self._base_ms, never
            cancel = Cancel(never.symbol, never.interval, never.start_ms)
            yield max(soon, end + self._base_ms + SECOND_MS), cancel

    def _withheld(self) -> dict[int, float]:
        """Holes that are filled much later: position of a bar, and how late in the horizon."""
        found: dict[int, float] = {}
        for _ in range(self._deep):
            first = self._random.randrange(len(self._book))
            when = self._random.random()
            last = min(first + self._random.choice((1, 5, 30)), len(self._book) - 1)
            found |= dict.fromkeys(range(first, last), when)
        return found

    def _much_later(self, bar: Bar, end: int, share: float) -> int:
        """An instant between a bar's end and the last instant of its horizon."""
        calendar = self._calendar
        closes = calendar.close_ms(calendar.session_of(bar.start_ms) + self._horizon)
        last = min(closes, self._last_ms + TEN_MINUTES_MS) - 2 * TEN_MINUTES_MS
        return max(end + SECOND_MS, end + int(share * (last - end)))

    def _wrong(self, bar: Bar) -> Bar:
        by = self._random.choice((1, 3, 40)) * self._random.choice((-1, 1)) / 4
        high, low = bar.high + max(by, 0), bar.low + min(by, 0)
        return msgspec.structs.replace(bar, high=high, low=low, volume=7)

    def _is_free(self, label: int) -> bool:
        calendar = self._calendar
        if label in self._labels or label >= self._book[-1].start_ms:
            return False
        return calendar.segment_of(calendar.session_of(label), label) >= 0

    def _end(self, bar: Bar) -> int:
        return self._calendar.slot_end(bar.start_ms, self._base_ms)
