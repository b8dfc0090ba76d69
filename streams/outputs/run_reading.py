"""What the folder of a run holds that operators ask for; its inputs are not read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from tapeline.schemas.config.indicator_sets import IntervalIndicators
from tapeline.schemas.config.model import Config
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.topics import output_topics, topic_of
from tapeline.streams.calendars import load_calendar
from tapeline.streams.errors import InputError
from tapeline.streams.pipeline.missing import sessions_with_gaps, unexplained
from tapeline.streams.pipeline.operations import Operations
from tapeline.streams.pipeline.run_ends import SymbolEnd, ends_in
from tapeline.streams.pipeline.status import (
    RECENT_MS,
    CorrectedFact,
    DatedLetter,
    OpenGap,
    StatusFacts,
    SymbolFacts,
    received_ms,
)
from tapeline.streams.pipeline.view import set_version
from tapeline.streams.pipeline.warm_up import (
    IndicatorHistory,
    IntervalRows,
    RowTable,
    indicator_history,
    window_history,
)

_UNCAUSED = b'"corrects":null'


class RunReader:
    """The topics of a run that is complete.

    Parameters
    ----------
    manifest
        Of the folder.

    Raises
    ------
    InputError
        When the manifest does not name how far the symbols came.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        ends = ends_in(manifest)
        if ends is None:
            raise InputError(
                f"{folder}: the run is of a version that did not write how far its symbols came;"
                " run it again"
            )
        self._folder = folder
        self._ends = ends

    def status(self, config: Config, now_ms: int) -> StatusFacts:
        """What the run holds; corrections are those of the last hour by market time.

        Parameters
        ----------
        config
            That of the run.
        """
        gaps: dict[str, tuple[OpenGap, ...]] = {}
        for gap in self._facts("gap", None).values():
            if gap["state"] == "open":
                found = OpenGap(gap["start_ms"], gap["end_ms"], gap["missing"])
                gaps[gap["symbol"]] = (*gaps.get(gap["symbol"], ()), found)
        table = self._table(config)
        return StatusFacts(
            symbols=[
                _symbol(config, symbol, end, gaps.get(symbol, ()), table)
                for symbol, end in sorted(self._ends.items())
            ],
            operations=Operations({}),
            letters=[
                DatedLetter(letter["code"], received_ms(letter["source"]))
                for letter in map(orjson.loads, self._lines(topic_of("reject")))
            ],
            corrected=self._corrected(now_ms - RECENT_MS),
        )

    def _table(self, config: Config) -> RowTable:
        """Rows of indicators and values of windows, if the configuration has any."""
        found = RowTable()
        instruments = filter(None, map(config.instrument, self._ends))
        if any(each.indicators for each in instruments):
            for line in self._lines(topic_of("indicators")):
                found.take_indicators(line)
        if config.windows:
            for line in self._lines(topic_of("window")):
                found.take_window(line)
        return found

    def gaps(self, symbol: str | None = None) -> Iterator[dict[str, Any]]:
        """Sessions that miss bars, by symbol, then date; see `sessions_with_gaps`."""
        sessions = self._facts("session", symbol).values()
        ordered = sorted(sessions, key=lambda each: (each["symbol"], each["session"]))
        gaps = self._facts("gap", symbol).values()
        return sessions_with_gaps(gaps, ordered, unexplained, self._bars_between)

    def sessions(self, symbol: str | None = None) -> int:
        """Number of sessions of the view."""
        return len(self._facts("session", symbol))

    def _bars_between(self, symbol: str, first_ms: int, end_ms: int) -> int:
        """Bars of a session that is not over: it is that of the watermark."""
        end = self._ends.get(symbol)
        session = None if end is None else end.session
        if session is None or (session.open_ms, session.close_ms) != (first_ms, end_ms):
            return 0
        return session.bars

    def _corrected(self, since_ms: int) -> list[CorrectedFact]:
        marks = [each.watermark_ms for each in self._ends.values() if each.watermark_ms is not None]
        if max(marks, default=since_ms - 1) < since_ms:
            return []
        found = []
        for topic in output_topics():
            if topic == topic_of("reject"):
                continue
            for line in self._lines(topic):
                if _UNCAUSED in line:
                    continue
                event = orjson.loads(line)
                found.append(
                    CorrectedFact(
                        event["type"], event["symbol"], event["corrects"], event["watermark_ms"]
                    )
                )
        return found

    def _facts(self, kind: str, symbol: str | None) -> dict[str, dict[str, Any]]:
        """The view of one type, by id."""
        view: dict[str, dict[str, Any]] = {}
        for fact in map(orjson.loads, self._lines(topic_of(kind))):
            if symbol is None or fact["symbol"] == symbol:
                set_version(view, fact["id"], None if fact["op"] == "retract" else fact)
        return view

    def _lines(self, topic: str) -> Iterator[bytes]:
        with (self._folder / f"{topic}.jsonl").open("rb") as lines:
            yield from lines


def _symbol(
    config: Config, symbol: str, end: SymbolEnd, gaps: tuple[OpenGap, ...], table: RowTable
) -> SymbolFacts:
    instrument = config.instrument(symbol)
    assert instrument is not None, f"{symbol} had a record, and the configuration is that of then"
    return SymbolFacts(
        symbol=symbol,
        group=config.group_of(symbol),
        calendar=load_calendar(instrument.calendar),
        base_ms=parse_interval(instrument.base).length_ms,
        watermark_ms=end.watermark_ms,
        last_bar_ms=end.last_bar_ms,
        session=end.session,
        gaps=gaps,
        indicators=tuple(
            _indicators(each, table.rows(symbol, each.interval))
            for each in config.indicators_for(instrument)
        ),
        windows=tuple(
            window_history(name, table.window(symbol, name)) for name in config.windows_of(symbol)
        ),
    )


def _indicators(planned: IntervalIndicators, rows: IntervalRows) -> IndicatorHistory:
    return indicator_history(planned, rows.latest, rows.bars)
