"""The rules of the shipped strategies a second time: plain loops over the bars, nothing of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tapeline import Bar

MINUTE = 60_000
FIVE = 5 * MINUTE
TICK = Fraction("0.25")


class Emitted(NamedTuple):
    """A signal: when, which side, protections in quote currency, confidence."""

    event_ms: int
    action: str
    bar_ms: int
    stop: float | None
    target: float | None
    confidence: float


@dataclass
class Window:
    """Five minutes: their bars so far."""

    start: int
    bars: list[Bar]

    @property
    def close(self) -> float:
        return self.bars[-1].close

    @property
    def high(self) -> float:
        return max(bar.high for bar in self.bars)

    @property
    def low(self) -> float:
        return min(bar.low for bar in self.bars)


class Session(NamedTuple):
    """A trading session [open, close)."""

    open_ms: int
    close_ms: int


def windows_by_record(bars: Sequence[Bar]) -> Iterator[tuple[int, list[Window]]]:
    """For each bar the time it ends at, and the windows that it closes, oldest first."""
    waiting: dict[int, Window] = {}
    for bar in bars:
        start = bar.start_ms - bar.start_ms % FIVE
        waiting.setdefault(start, Window(start, [])).bars.append(bar)
        now = bar.start_ms + MINUTE
        ended = sorted(each for each in waiting if each + FIVE <= now)
        yield now, [waiting.pop(each) for each in ended]


def crossovers(
    bars: Sequence[Bar], fast: int = 5, slow: int = 20, *, repeats: bool = False
) -> list[Emitted]:
    """Averages of closes that cross, from the bar behind the slow one's; a side twice if asked."""
    closes: list[Fraction] = []
    found: list[Emitted] = []
    side = ""
    for now, ended in windows_by_record(bars):
        closes += [Fraction(str(window.close)) for window in ended]
        if len(closes) < slow + 1:
            continue
        for window in ended:
            f, s = (float(sum(closes[-n:]) / n) for n in (fast, slow))
            f1, s1 = (float(sum(closes[-n - 1 : -1]) / n) for n in (fast, slow))
            action = ""
            if f1 <= s1 and f > s:
                action = "buy"
            elif f1 >= s1 and f < s:
                action = "sell"
            if action and (repeats or action != side):
                side = action
                confidence = min(0.5 + 10 * (abs(f - s) / s), 1.0)
                found.append(Emitted(now, action, window.start, None, None, confidence))
    return found


def extremes_of_rsi(bars: Sequence[Bar], period: int = 14) -> list[Emitted]:
    """Wilder's RSI beyond 30 or 70, armed again between them, from 24 bars on."""
    closes: list[float] = []
    gain = loss = 0.0
    found: list[Emitted] = []
    armed = True
    for now, ended in windows_by_record(bars):
        for window in ended:
            closes.append(window.close)
            count = len(closes) - 1
            if count == 0:
                continue
            change = closes[-1] - closes[-2]
            up, down = max(change, 0.0), max(-change, 0.0)
            if count <= period:
                gain, loss = gain + up / period, loss + down / period
            else:
                gain += (up - gain) / period
                loss += (down - loss) / period
        if len(closes) < 24:
            continue
        value = 50.0 if gain + loss == 0 else 100 * gain / (gain + loss)
        for window in ended:
            if 30 <= value <= 70:
                armed = True
            elif armed:
                armed = False
                beyond = (30 - value) / 30 if value < 30 else (value - 70) / 30
                action = "buy" if value < 30 else "sell"
                confidence = min(0.5 + beyond, 1.0)
                found.append(Emitted(now, action, window.start, None, None, confidence))
    return found


def faded_touches(bars: Sequence[Bar], sessions: Sequence[Session]) -> list[Emitted]:
    """First touches of the high and the low of the session before."""
    found: list[Emitted] = []
    for before, session in pairwise(sessions):
        earlier, own = within(bars, before), within(bars, session)
        if not earlier:
            continue
        high, low = max(bar.high for bar in earlier), min(bar.low for bar in earlier)
        middle = (Fraction(str(high)) + Fraction(str(low))) / 2 // TICK * TICK
        first: dict[str, Bar] = {}
        for bar in own:
            for level, price in (("high", high), ("low", low)):
                if bar.low <= price <= bar.high:
                    first.setdefault(level, bar)
        if len(first) == 2 and first["high"] is first["low"]:
            continue
        for level, bar in sorted(first.items(), key=lambda each: each[1].start_ms):
            stop = high + 2.0 if level == "high" else low - 2.0
            action = "sell" if level == "high" else "buy"
            now = bar.start_ms + MINUTE
            found.append(Emitted(now, action, bar.start_ms, stop, float(middle), 1.0))
    return found


def breakouts(bars: Sequence[Bar], sessions: Sequence[Session]) -> list[Emitted]:
    """The first close of five minutes outside the first half hour, where that is whole."""
    found: list[Emitted] = []
    by_record = list(windows_by_record(bars))
    for session in sessions:
        end = session.open_ms + 30 * MINUTE
        opening = [bar for bar in within(bars, session) if bar.start_ms < end]
        high = max((bar.high for bar in opening), default=0.0)
        low = min((bar.low for bar in opening), default=0.0)
        if len(opening) < 30 or high == low:
            continue
        for now, window in ((now, each) for now, ended in by_record for each in ended):
            if not end <= window.start < session.close_ms:
                continue
            if window.close > high or window.close < low:
                up = window.close > high
                width = high - low
                found.append(
                    Emitted(
                        now,
                        "buy" if up else "sell",
                        window.start,
                        low if up else high,
                        high + width if up else low - width,
                        1.0,
                    )
                )
                break
    return found


def within(bars: Sequence[Bar], session: Session) -> list[Bar]:
    """Bars of a session."""
    return [bar for bar in bars if session.open_ms <= bar.start_ms < session.close_ms]
