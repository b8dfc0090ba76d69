"""What a store holds that operators ask for; see `streams.pipeline.status`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import orjson

from tapeline.schemas.config.indicator_sets import IntervalIndicators
from tapeline.schemas.config.model import Config
from tapeline.schemas.host_events import StrategyState
from tapeline.schemas.ids import gap_id, ids_of, indicators_id
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.topics import output_topics
from tapeline.streams.calendars import load_calendar
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.pipeline.missing import feed_members
from tapeline.streams.pipeline.operations import FEEDS_TOPIC, Operations
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.status import (
    RECENT_MS,
    CorrectedFact,
    DatedLetter,
    OpenGap,
    StatusFacts,
    SymbolFacts,
    hosted_strategy,
    received_ms,
    session_index,
    session_so_far,
)
from tapeline.streams.pipeline.warm_up import (
    IndicatorRow,
    WindowRow,
    indicator_history,
    read_indicators,
    read_window,
    window_history,
)
from tapeline.streams.store.again import LETTERS_TOPIC
from tapeline.streams.store.reading import StoreReader, take_operations
from tapeline.streams.store.recent import RecentRecords
from tapeline.streams.store.topic_reader import TopicReader

_UNCAUSED = b'"corrects":null'


class StoreStatus:
    """Looks at a store; each look reads what came since the last one.

    Parameters
    ----------
    config
        The one of the store.
    """

    def __init__(self, folder: Path, config: Config) -> None:
        self._config = config
        self._operations = Operations(feed_members(config))
        self._feeds = TopicReader(folder, FEEDS_TOPIC)
        self._letters = TopicReader(folder, LETTERS_TOPIC)
        self._topics = {
            topic: TopicReader(folder, topic) for topic in output_topics() if topic != LETTERS_TOPIC
        }
        self._recent = RecentRecords(folder)
        self._looked_at: dict[str, tuple[int, bool]] = {}
        self._symbols: dict[str, SymbolFacts] = {}
        self._found: list[DatedLetter] = []
        self._causes: list[tuple[int, str, str, int | None]] = []

    def look(self, reader: StoreReader, now_ms: int) -> StatusFacts:
        """What the store holds.

        Parameters
        ----------
        now_ms
            By the clock of the machine; corrections of the hour before it are looked for.

        Raises
        ------
        StoreError
            When the store was made with another configuration.
        StoreDamagedError
            When files are not what was written.
        """
        reader.check_settings(self._config)
        checkpoint = reader.checkpoint
        take_operations(self._operations, self._feeds, checkpoint)
        self._found += [_letter(line) for line in self._letters.lines(checkpoint)]
        for group in reader.plans():
            self._look_at(reader, group)
        for feed in self._config.feeds.values():
            for symbol in feed.symbols:
                if symbol not in self._symbols:
                    self._symbols[symbol] = self._symbol(reader, symbol, None, {})
        return StatusFacts(
            symbols=[self._symbols[symbol] for symbol in sorted(self._symbols)],
            operations=self._operations,
            letters=self._found,
            corrected=self._corrected(reader, now_ms - RECENT_MS),
            stale_groups=sorted(checkpoint.rebuilds),
            strategies=[
                hosted_strategy(msgspec.json.decode(line, type=StrategyState))
                for line in reader.view(kind="strategy")
            ],
            rebuilt_at=reader.rebuilt_at(),
        )

    def _look_at(self, reader: StoreReader, group: str) -> None:
        """Look at the symbols of a group, if a record of it came since the last time."""
        offset, watermarks = reader.progress(group)
        # A rebuild changes gaps, too.
        state = offset, group in reader.checkpoint.rebuilds
        if self._looked_at.get(group) == state:
            return
        self._looked_at[group] = state
        plan = plan_group(self._config, group)
        counts: dict[str, dict[str, int]] = {}
        if any(each.indicators for each in plan.instruments):
            counts = reader.indicator_bars(plan)
        for symbol in self._config.members(group):
            watermark_ms = watermarks.get(symbol)
            if watermark_ms is not None:
                bars = counts.get(symbol, {})
                self._symbols[symbol] = self._symbol(reader, symbol, watermark_ms, bars)

    def _symbol(
        self,
        reader: StoreReader,
        symbol: str,
        watermark_ms: int | None,
        bars_taken: Mapping[str, int],
    ) -> SymbolFacts:
        instrument = self._config.instrument(symbol)
        assert instrument is not None, f"{symbol} is in a group, or in a feed"
        calendar = load_calendar(instrument.calendar)
        base_ms = parse_interval(instrument.base).length_ms
        group = self._config.group_of(symbol)
        if watermark_ms is None:
            return SymbolFacts(symbol, group, calendar, base_ms, None, None)
        first_ms = _open_ms(calendar, watermark_ms)
        bars = ((bar.start_ms, bar.high, bar.low) for bar in reader.bars(symbol, first_ms))
        return SymbolFacts(
            symbol=symbol,
            group=group,
            calendar=calendar,
            base_ms=base_ms,
            watermark_ms=watermark_ms,
            last_bar_ms=reader.last_label(symbol),
            session=session_so_far(calendar, base_ms, watermark_ms, bars),
            gaps=tuple(_open_gaps(reader, symbol, gap_id(symbol, instrument.base, first_ms))),
            indicators=tuple(
                indicator_history(
                    each,
                    _latest_row(reader, symbol, each, watermark_ms),
                    bars_taken.get(each.interval, 0),
                )
                for each in self._config.indicators_for(instrument)
            ),
            windows=tuple(
                window_history(name, _latest_value(reader, symbol, name))
                for name in self._config.windows_of(symbol)
            ),
        )

    def _corrected(self, reader: StoreReader, since_ms: int) -> list[CorrectedFact]:
        """Versions that corrections led to, of records that came in since an instant."""
        recent = self._recent.since(reader.checkpoint.log_records, since_ms)
        if not recent:
            return []
        offsets = [offset for offset, _ in recent]
        for topic in self._topics.values():
            for line in topic.lines(reader.checkpoint):
                if _UNCAUSED in line:
                    continue
                event = orjson.loads(line)
                offset = event["seq"] // OUTPUTS_PER_RECORD
                self._causes.append((offset, event["type"], event["symbol"], event["corrects"]))
        self._causes = [each for each in self._causes if each[0] >= offsets[0]]
        found = []
        for offset, kind, symbol, bar_ms in self._causes:
            at = bisect_left(offsets, offset)
            if at < len(recent) and offsets[at] == offset:
                found.append(CorrectedFact(kind, symbol, bar_ms, recent[at][1]))
        return found


def _open_ms(calendar: Calendar, watermark_ms: int) -> int:
    index = session_index(calendar, watermark_ms)
    return watermark_ms if index is None else calendar.open_ms(index)


def _open_gaps(reader: StoreReader, symbol: str, first_id: str) -> Iterator[OpenGap]:
    for line in reader.view(symbol, "gap", first_id):
        gap = orjson.loads(line)
        if gap["state"] == "open":
            yield OpenGap(gap["start_ms"], gap["end_ms"], gap["missing"])


def _latest_row(
    reader: StoreReader, symbol: str, planned: IntervalIndicators, watermark_ms: int
) -> IndicatorRow | None:
    interval = planned.interval
    if planned.publish == "latest":
        line = reader.fact(indicators_id(symbol, interval))
    else:
        # Ids are in order of their texts, and until September 2001 an instant has a digit less.
        rows = ids_of("indicators", symbol, interval)
        line = reader.last_fact(f"{rows}{str(watermark_ms)[0]}") or reader.last_fact(rows)
    return None if line is None else read_indicators(line)


def _latest_value(reader: StoreReader, symbol: str, name: str) -> WindowRow | None:
    line = reader.last_fact(ids_of("window", symbol, name))
    return None if line is None else read_window(line)


def _letter(line: bytes) -> DatedLetter:
    letter = orjson.loads(line)
    return DatedLetter(letter["code"], received_ms(letter["source"]))
