"""From which bar on the values of indicators no longer depend on where history began: measured.

The final bars of a stretch are run from its start, and again from later sessions on, each time as
if nothing had been before. A key that is not listed as warming must have equal bits in both runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from msgspec import Struct, structs

from tapeline.replay.run import Replay, ReplayOptions
from tapeline.replay.sources.protocol import LogSource
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Indicators
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import Bar
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.errors import InputError
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.routing import Router

Rows = Mapping[str, Sequence[Indicators]]
"""Rows by interval, in order."""


class KeyRecursion(Struct):
    """How long one key of one symbol showed where history began.

    Attributes
    ----------
    bars
        Bars of its interval in the run that began first of the later ones.
    equal_from
        Bar, counted from 1 from the later start, from which on it was equal in both runs: the
        latest of all runs that became equal; None where none did.
    warm_from
        Bar at which it was no longer cold or warming, likewise; None where it was to all ends.
    unequal
        Runs whose last bar was not equal.
    different
        Values that differed though the key was neither cold nor warming.
    """

    symbol: str
    interval: str
    key: str
    bars: int = 0
    equal_from: int | None = None
    warm_from: int | None = None
    unequal: int = 0
    different: int = 0


class RecursionReport(Struct, frozen=True):
    """All keys, by symbol, length of interval and key.

    Attributes
    ----------
    starts
        By symbol, the sessions that later runs began with.
    """

    keys: list[KeyRecursion]
    starts: dict[str, list[str]]

    @property
    def clean(self) -> bool:
        """Whether every key that was not warming was equal to the bit."""
        return not any(each.different for each in self.keys)


async def check_recursion(
    config: Config,
    make_source: Callable[[], LogSource],
    options: ReplayOptions,
    starts: int,
) -> RecursionReport:
    """Run the final bars of a stretch from its start and from later sessions, and compare.

    Bars and rows of one symbol are held in memory.

    Parameters
    ----------
    make_source
        A source that is not yet opened.
    starts
        Later starts a symbol, spread evenly over its sessions.

    Raises
    ------
    InputError
        When no symbol of the stretch has indicators and two sessions of bars.
    LogMissingError, BrokerError
        When the source cannot be read.
    """
    bars: dict[str, list[Bar]] = {}
    corrected = structs.replace(options, as_corrected=True)
    async with Replay(config, make_source(), corrected) as whole:
        async for release in whole.releases():
            content = release.item.content
            if isinstance(content, Bar) and release.letter is None:
                bars.setdefault(content.symbol, []).append(content)
    keys: list[KeyRecursion] = []
    begun: dict[str, list[str]] = {}
    for symbol in sorted(bars):
        alone = _alone(config, symbol)
        calendar = load_calendar(alone.instruments[symbol].calendar)
        found = later_starts(calendar, bars[symbol], starts)
        if found and alone.indicators_for(alone.instruments[symbol]):
            begun[symbol] = [calendar.date(index) for index, _ in found]
            keys += compared(alone, bars[symbol], [at for _, at in found])
        # An interrupt need not wait for all of them.
        await asyncio.sleep(0)
    if not begun:
        raise InputError(
            "nothing to compare: no symbol of it has indicators ([instruments.<symbol>] indicators)"
            " and bars of two sessions"
        )
    return RecursionReport(keys, begun)


def _alone(config: Config, symbol: str) -> Config:
    """A symbol on its own, with its indicators alone and a row for each bar."""
    instrument = config.instrument(symbol)
    assert instrument is not None, f"bars of {symbol} were taken"
    return structs.replace(
        config,
        instruments={symbol: structs.replace(instrument, ranges=(), swings=False, max_ahead_ms=0)},
        groups={},
        indicators={
            name: structs.replace(each, publish="rows") for name, each in config.indicators.items()
        },
    )


def later_starts(calendar: Calendar, bars: Sequence[Bar], count: int) -> list[tuple[int, int]]:
    """Sessions behind the first one, evenly spread: index, and position of the first bar."""
    first: dict[int, int] = {}
    for position, bar in enumerate(bars):
        index = calendar.session_of(bar.start_ms)
        if calendar.segment_of(index, bar.start_ms) >= 0:
            first.setdefault(index, position)
    later = list(first.items())[1:]
    chosen = {(number * len(later)) // (count + 1) for number in range(1, count + 1)}
    return [later[at] for at in sorted(chosen) if at < len(later)]


def compared(config: Config, bars: Sequence[Bar], positions: Iterable[int]) -> list[KeyRecursion]:
    """Each key of the runs that begin at later bars, against the run over all of them."""
    whole = {
        interval: {row.start_ms: row for row in rows}
        for interval, rows in _rows(config, bars).items()
    }
    found: dict[str, KeyRecursion] = {}
    for position in positions:
        for interval, rows in _rows(config, bars[position:]).items():
            others = [whole[interval][row.start_ms] for row in rows]
            for key in rows[0].values:
                if key not in found:
                    found[key] = KeyRecursion(bars[0].symbol, interval, key)
                add_run(found[key], rows, others)
    return sorted(
        found.values(), key=lambda each: (parse_interval(each.interval).length_ms, each.key)
    )


def add_run(found: KeyRecursion, rows: Sequence[Indicators], others: Sequence[Indicators]) -> None:
    """Take one later run into account: its rows, and those of the longer run for the same bars."""
    key = found.key
    unequal = unsure = 0
    for number, (row, other) in enumerate(zip(rows, others, strict=True), 1):
        # Doubles that are equal have equal bits: a value is never -0.0 or NaN.
        equal = row.values[key] == other.values[key]
        if not equal:
            unequal = number
        if key in row.cold or key in row.warming:
            unsure = number
        elif not equal:
            found.different += 1
    found.bars = max(found.bars, len(rows))
    found.equal_from = _later(found.equal_from, unequal, len(rows))
    found.unequal += unequal == len(rows)
    found.warm_from = _later(found.warm_from, unsure, len(rows))


def _later(known: int | None, last: int, bars: int) -> int | None:
    """The bar after the last one that something held for, unless that was the end of the run."""
    return known if last == bars else max(known or 0, last + 1)


def _rows(config: Config, bars: Sequence[Bar]) -> Rows:
    """Rows of a run over bars, as if there were no others."""
    drive = Drive(Router(config))
    rows = [
        event
        for offset, bar in enumerate(bars)
        for event in drive.apply(bar, offset).events
        if isinstance(event, Indicators)
    ]
    rows.sort(key=lambda row: row.interval)
    return {name: list(each) for name, each in groupby(rows, key=lambda row: row.interval)}
