"""Bars that files cover and do not hold: with ``--replace`` they are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tapeline.schemas.records import Bar
from tapeline.streams.feeds.items import Feed
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.store.keeper import Keeper
from tapeline.streams.store.layout import bars_prefix

Span = tuple[int, int]
"""Labels of the first and last bar, inclusive."""


class Spans:
    """Which slots the files of a run cover, and which of them they fill.

    A refused row fills its slot too, since its bar exists, whatever it is; but it does not widen
    the span of its file: one wrong year must not cancel a history.

    Attributes
    ----------
    taken
        By input and symbol; part of the mark of a run.
    """

    def __init__(self, feeds: Sequence[Feed], taken: Sequence[dict[str, Span]]) -> None:
        self.taken = [dict(spans) for spans in taken] or [{} for _ in feeds]
        self._numbers = {id(feed): number for number, feed in enumerate(feeds)}
        self._labels: dict[str, set[int]] = {}

    def fill(self, row: Bar | Refusal) -> None:
        """A row whose time could be read; of a time that occurs twice it fills both slots."""
        if row.symbol is None:
            return
        labels = self._labels.get(row.symbol)
        if labels is None:
            labels = set()
            self._labels[row.symbol] = labels
        if isinstance(row, Bar):
            labels.add(row.start_ms)
        else:
            labels.update(row.labels)

    def widen(self, feed: Feed, bar: Bar) -> None:
        """A row that was taken."""
        spans = self.taken[self._numbers[id(feed)]]
        first, last = spans.get(bar.symbol, (bar.start_ms, bar.start_ms))
        spans[bar.symbol] = (min(first, bar.start_ms), max(last, bar.start_ms))

    def check_readable(self, keeper: Keeper) -> None:
        """Read all stored bars of the symbols, before changes to them are committed.

        Raises
        ------
        StoreDamagedError
            When one cannot be read: so far nothing was added to the log.
        """
        for symbol in sorted(self._labels):
            keeper.store.database.check(bars_prefix(symbol))

    def missing(self, keeper: Keeper) -> list[Bar]:
        """Stored bars inside the spans that no file has, by symbol, then label."""
        return [bar for symbol in sorted(self._labels) for bar in self._missing(keeper, symbol)]

    def _missing(self, keeper: Keeper, symbol: str) -> Iterator[Bar]:
        labels = self._labels[symbol]
        spans = sorted(spans[symbol] for spans in self.taken if symbol in spans)
        done_ms: int | None = None
        for first, last in spans:
            for bar in keeper.bars(symbol, first):
                if bar.start_ms > last:
                    break
                if (done_ms is None or bar.start_ms > done_ms) and bar.start_ms not in labels:
                    yield bar
            done_ms = last if done_ms is None else max(done_ms, last)
