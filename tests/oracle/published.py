"""The whole published view of one group, from its final bars and watermarks."""

from __future__ import annotations

from dataclasses import dataclass

from tapeline.schemas.config.model import Config, InstrumentConfig
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar
from tests.oracle import by_session
from tests.oracle.book import Book, Fact
from tests.oracle.indicator_rows import indicator_rows
from tests.oracle.pairs import pairs
from tests.oracle.ranges import Touch, range_fact, ranges, touch_fact
from tests.oracle.session_windows import windows
from tests.oracle.swings import swings
from tests.oracle.trading_days import Timeline, TradingDay, trading_days


@dataclass(frozen=True)
class Plan:
    """A group of a configuration; `days`, where given, replace its calendar."""

    config: Config
    group: str
    days: tuple[TradingDay, ...] | None = None


def view(plan: Plan, bars: dict[str, list[Bar]], watermarks: dict[str, int]) -> dict[str, Fact]:
    """The view by id: every field of an event but seq, rev, corrects and watermark_ms.

    Parameters
    ----------
    plan
        The group.
    bars
        Final bars of each symbol, one per start, in any order; a symbol may be absent.
    watermarks
        W of each symbol that has bars: not before the end of any of them.
    """
    members = plan.config.members(plan.group)
    present = [symbol for symbol in members if bars.get(symbol)]
    if not present:
        return {}
    first_ms = min(bar.start_ms for symbol in present for bar in bars[symbol])
    last_ms = max(watermarks[symbol] for symbol in present)
    timeline = _timeline(plan, present[0], first_ms, last_ms)
    facts: list[Fact] = []
    touches: dict[str, list[Touch]] = {}
    for symbol in present:
        tick = _instrument(plan.config, symbol).tick
        book = Book(symbol, tick, timeline, bars[symbol], watermarks[symbol])
        found, touches[symbol] = _of_symbol(plan.config, book)
        facts += found
    if len(members) > 1:
        facts += pairs(plan.group, members, touches, timeline)
    result = {str(fact["id"]): fact for fact in facts}
    assert len(result) == len(facts), "two facts with one id"
    return result


def _timeline(plan: Plan, symbol: str, first_ms: int, last_ms: int) -> Timeline:
    """Sessions of the group: its members have the same calendar and base."""
    instrument = _instrument(plan.config, symbol)
    days = plan.days
    if days is None:
        days = trading_days(instrument.calendar, first_ms, last_ms)
    return Timeline(days, parse_interval(instrument.base).length_ms)


def _of_symbol(config: Config, book: Book) -> tuple[list[Fact], list[Touch]]:
    """Facts of one symbol, and its touches that are paired and linked."""
    instrument = _instrument(config, book.symbol)
    found = ranges(book, [config.templates[name] for name in instrument.ranges])
    touches = [touch for each in found for touch in each.touches]
    comparable = [each for each in touches if each.window.has_to_bar and not each.is_expiry]
    facts = by_session.sessions(book)
    facts += by_session.derived_bars(
        book,
        config.intervals_for(instrument.base),
        config.derived.incomplete == "skip",
        instrument.quality,
    )
    if instrument.quality:
        facts += by_session.quality(book, instrument.base)
        facts += by_session.gaps(book, instrument.base)
    facts += indicator_rows(book, config.indicators_for(instrument), instrument.base)
    facts += windows(book, config.windows_of(book.symbol))
    facts += [range_fact(book, each) for each in found]
    facts += [touch_fact(book, touch) for touch in touches]
    if instrument.swings:
        facts += swings(book, comparable, _structural_class(instrument))
    return facts, comparable


def _structural_class(instrument: InstrumentConfig) -> int:
    """The configured class, else 3 for base intervals under an hour and 2 from there on."""
    if instrument.structural_class is not None:
        return instrument.structural_class
    return 3 if parse_interval(instrument.base).length_ms < 3_600_000 else 2


def _instrument(config: Config, symbol: str) -> InstrumentConfig:
    instrument = config.instrument(symbol)
    assert instrument is not None, f"{symbol} is not configured"
    return instrument
