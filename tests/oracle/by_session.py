"""Sessions, quality, gaps and derived bars: what follows from the slots of each session."""

from __future__ import annotations

from datetime import date

from tapeline.schemas.intervals import Interval
from tests.oracle.book import Book, Day, Fact, SlotBar, volume_of
from tests.oracle.trading_days import Slot


def sessions(book: Book) -> list[Fact]:
    """Open with the first slot, closed with all of it, and nothing in between."""
    facts = []
    for day in book.days:
        trading_day, first = day.trading_day, day.slots[0]
        if first.end_ms > book.watermark_ms:
            continue
        closed = trading_day.close_ms <= book.watermark_ms
        bars = day.present(day.slots if closed else [first])
        facts.append(
            book.fact(
                "session",
                day.session,
                trading_day.open_ms,
                trading_day.close_ms if closed else first.end_ms,
                state="closed" if closed else "open",
                open_ms=trading_day.open_ms,
                close_ms=trading_day.close_ms,
                early_close=trading_day.early_close,
                bars=len(bars),
                expected=len(day.slots),
                volume=volume_of(bars),
                high=book.price(max(bar.high for bar in bars)) if bars else None,
                low=book.price(min(bar.low for bar in bars)) if bars else None,
            )
        )
    return facts


def quality(book: Book, base: str) -> list[Fact]:
    """As of the close, else of the last missing slot that is due, else of the first slot."""
    facts = []
    for day in book.days:
        due = [slot for slot in day.slots if slot.end_ms <= book.watermark_ms]
        if not due:
            continue
        missing = [slot for slot in due if slot.start_ms not in day.bars]
        if day.trading_day.close_ms <= book.watermark_ms:
            as_of_ms = day.trading_day.close_ms
        else:
            as_of_ms = missing[-1].end_ms if missing else due[0].end_ms
        due = [slot for slot in due if slot.end_ms <= as_of_ms]
        actual = len(day.present(due))
        facts.append(
            book.fact(
                "quality",
                f"{base}|{day.session}",
                day.trading_day.open_ms,
                as_of_ms,
                interval=base,
                as_of_ms=as_of_ms,
                due=len(due),
                actual=actual,
                missing=len(due) - actual,
                quality=100 * actual / len(due),
            )
        )
    return facts


def gaps(book: Book, base: str) -> list[Fact]:
    """Maximal runs of missing slots that are due, inside one session."""
    facts = []
    for day in book.days:
        run: list[Slot] = []
        for slot in day.slots:
            if slot.end_ms > book.watermark_ms:
                break
            if slot.start_ms not in day.bars:
                run.append(slot)
            elif run:
                facts.append(_gap(book, base, run, slot.end_ms))
                run = []
        if run:
            at_close = day.trading_day.close_ms <= book.watermark_ms
            facts.append(_gap(book, base, run, day.trading_day.close_ms if at_close else None))
    return facts


def _gap(book: Book, base: str, run: list[Slot], closed_ms: int | None) -> Fact:
    start_ms, end_ms = run[0].start_ms, run[-1].end_ms
    return book.fact(
        "gap",
        f"{base}|{start_ms}",
        start_ms,
        end_ms if closed_ms is None else closed_ms,
        interval=base,
        start_ms=start_ms,
        end_ms=end_ms,
        missing=len(run),
        state="open" if closed_ms is None else "closed",
    )


def derived_bars(
    book: Book, intervals: tuple[Interval, ...], skip_incomplete: bool, with_quality: bool
) -> list[Fact]:
    """Windows whose end the watermark has reached and that hold at least one bar."""
    facts = []
    for interval in intervals:
        if interval.name == "1w":
            facts += _weeks(book, with_quality)
        elif interval.name == "1d":
            facts += _days(book, with_quality)
        else:
            for day in book.days:
                facts += _windows(book, day, interval, with_quality)
    if skip_incomplete:
        facts = [fact for fact in facts if fact["complete"]]
    return facts


def _windows(book: Book, day: Day, interval: Interval, with_quality: bool) -> list[Fact]:
    """Windows of an intraday interval, anchored at the open of each segment."""
    facts = []
    nominal = interval.length_ms // book.timeline.base_ms
    expected = present = 0  # from the session's open on
    for open_ms, close_ms in day.trading_day.segments:
        segment = [slot for slot in day.slots if open_ms <= slot.start_ms < close_ms]
        for first in range(0, len(segment), nominal):
            members = segment[first : first + nominal]
            bars = day.present(members)
            expected += len(members)
            present += len(bars)
            if not bars or members[-1].end_ms > book.watermark_ms:
                continue
            facts.append(
                _derived(
                    book,
                    interval.name,
                    (members[0].start_ms, members[-1].end_ms),
                    bars,
                    need=len(members),
                    truncated=len(members) < nominal,
                    quality=100 * present / expected if with_quality else 100.0,
                )
            )
    return facts


def _days(book: Book, with_quality: bool) -> list[Fact]:
    facts = []
    for day in book.days:
        bars, need = day.present(day.slots), len(day.slots)
        if bars and day.trading_day.close_ms <= book.watermark_ms:
            window = (day.trading_day.open_ms, day.trading_day.close_ms)
            share = 100 * len(bars) / need if with_quality else 100.0
            facts.append(_derived(book, "1d", window, bars, need, False, share))
    return facts


def _weeks(book: Book, with_quality: bool) -> list[Fact]:
    """ISO weeks by session date, with all sessions that the calendar has in them."""
    weeks: dict[tuple[int, int], list[Day]] = {}
    for day in book.days:
        weeks.setdefault(_week_of(day.trading_day.day), []).append(day)
    facts = []
    for week, days in weeks.items():
        whole_week = [each for each in book.timeline.days if _week_of(each.day) == week]
        window = (whole_week[0].open_ms, whole_week[-1].close_ms)
        bars = [bar for day in days for bar in day.present(day.slots)]
        if bars and window[1] <= book.watermark_ms:
            need = sum(len(each.slots(book.timeline.base_ms)) for each in whole_week)
            share = 100 * len(bars) / need if with_quality else 100.0
            facts.append(_derived(book, "1w", window, bars, need, False, share))
    return facts


def _week_of(day: date) -> tuple[int, int]:
    return day.isocalendar()[:2]


def _derived(
    book: Book,
    interval: str,
    window: tuple[int, int],
    bars: list[SlotBar],
    need: int,
    truncated: bool,
    quality: float,
) -> Fact:
    start_ms, end_ms = window
    return book.fact(
        "derived_bar",
        f"{interval}|{start_ms}",
        start_ms,
        end_ms,
        interval=interval,
        start_ms=start_ms,
        end_ms=end_ms,
        open=book.price(bars[0].open),
        high=book.price(max(bar.high for bar in bars)),
        low=book.price(min(bar.low for bar in bars)),
        close=book.price(bars[-1].close),
        volume=volume_of(bars),
        have=len(bars),
        need=need,
        complete=len(bars) == need,
        truncated=truncated,
        quality=quality,
    )
