"""State of one symbol as stored records, and back.

Contracts section 5: a few records that change at different rates, under fixed ring keys. The hot
part changes with every bar; beside it lie ranges and their journal (blocks of 64), moments of the
ring, and bars (chunks of at most 60).
"""

from __future__ import annotations

from typing import Any, Final

from streams.core.blocks import PlaceTable
from streams.core.book import BarBook
from streams.core.journal import BLOCK_ENTRIES
from streams.core.ring import HOUR
from streams.core.sessions import NOWHERE_MS
from streams.core.symbol import SymbolEngine
from streams.core.tracks import SymbolTracks, stored_moment

RANGES: Final = 64
SPARE_SESSIONS: Final = 3
"""Bars may lie in the sessions of the horizon, that of the watermark, and the one after it."""


class SymbolState:
    """Which records of a symbol changed.

    Parameters
    ----------
    horizon_sessions
        Sessions of bars before that of the watermark.
    """

    def __init__(self, symbol: SymbolEngine, horizon_sessions: int) -> None:
        self._engine = symbol
        self._name = symbol.symbol
        self._sessions = horizon_sessions + SPARE_SESSIONS
        self._ranges = PlaceTable(RANGES)
        self._moments = PlaceTable(1)
        self._journal = PlaceTable(1)
        self._started = False

    def start(self) -> None:
        """Track changes from now on; the first `changed` gives everything."""
        engine = self._engine
        engine.book.track()
        engine.off_book.track()
        engine.tracks.ranges.track()
        self._started = True

    def changed(self, everything: bool) -> dict[str, Any]:
        """Records that changed since the last call, or all; the hot part is not among them."""
        if not self._started:
            self.start()
            everything = True
        found: dict[str, Any] = {}
        self._engine.tracks.settle()
        self._add_bars(found, "bars", self._engine.book, everything)
        self._add_bars(found, "off", self._engine.off_book, everything)
        self._add_ranges(found, everything)
        self._add_journal(found, everything)
        self._add_moments(found, everything)
        return found

    def _add_bars(self, found: dict[str, Any], part: str, book: BarBook, everything: bool) -> None:
        for chunk in book.take_touched(everything):
            found[f"{self._name}/{part}/{chunk[0] % self._sessions}/{chunk[1]}"] = chunk

    def _add_ranges(self, found: dict[str, Any], everything: bool) -> None:
        tracker = self._engine.tracks.ranges
        keys = [*tracker.alive, *tracker.finished] if everything else list(tracker.touched)
        tracker.touched.clear()
        table = self._ranges
        for key in keys:
            if key in tracker.alive or key in tracker.finished:
                table.put(key)
            else:
                table.drop(key)
        numbers = table.take_changed()
        if everything:
            numbers = list(range(table.record_count()))
        for number in numbers:
            values = []
            for key in table.record(number):
                live = tracker.alive.get(key) or tracker.finished.get(key)
                values.append(None if live is None else live.snapshot())
            found[f"{self._name}/ranges/{number}"] = values

    def _add_journal(self, found: dict[str, Any], everything: bool) -> None:
        journal = self._engine.tracks.ranges.journal
        table = self._journal
        first = journal.first // BLOCK_ENTRIES
        last = -(-journal.place // BLOCK_ENTRIES)
        for block in [key for key in table.keys if key is not None]:
            if not first <= block < last:
                table.drop(block)
        changed = max(journal.lowest_changed, journal.first) // BLOCK_ENTRIES
        journal.lowest_changed = journal.place
        table.take_changed()
        for block in range(first if everything else changed, last):
            place = table.put(block)
            at = block * BLOCK_ENTRIES - journal.first
            entries = []
            for number in range(at, min(at + BLOCK_ENTRIES, len(journal.keys))):
                before = journal.before[number]
                entries.append(
                    [journal.keys[number], None if before is None else before.snapshot()]
                )
            found[f"{self._name}/journal/{place}"] = [block, entries]

    def _add_moments(self, found: dict[str, Any], everything: bool) -> None:
        tracks = self._engine.tracks
        table = self._moments
        kept = {moment.number: moment for moment in tracks.ring.stored()}
        for number in [key for key in table.keys if key is not None]:
            if number not in kept:
                table.drop(number)
        for number, moment in kept.items():
            if everything or number not in table:
                place = table.put(number)
                found[f"{self._name}/ring/{place}"] = tracks.moment_data(moment)
        table.take_changed()

    def hot(self) -> list[Any]:
        """The part that changes with every bar; call it after `changed`."""
        engine = self._engine
        tracks = engine.tracks
        mark = None if tracks.watermark_ms == NOWHERE_MS else tracks.watermark_ms
        if tracks.first_label_ms == NOWHERE_MS:
            return [mark, engine.had_bar]
        journal = tracks.ranges.journal
        blocks = range(journal.first // BLOCK_ENTRIES, -(-journal.place // BLOCK_ENTRIES))
        return [
            mark,
            engine.had_bar,
            tracks.first_label_ms,
            tracks.moment_data(tracks.capture(HOUR)),
            tracks.ring.made,
            [[moment.number, self._moments.put(moment.number)] for moment in tracks.ring.stored()],
            [journal.first, journal.place, [self._journal.put(block) for block in blocks]],
            self._ranges.record_count(),
        ]

    def restore(self, hot: list[Any], records: dict[str, Any]) -> None:
        """Take the records of a symbol; those that the hot part does not know are left overs."""
        engine = self._engine
        tracks = engine.tracks
        if hot[0] is not None:
            tracks.watermark_ms = hot[0]
        engine.had_bar = hot[1]
        self.start()
        if len(hot) == 2:
            return
        tracks.first_label_ms = hot[2]
        tracks.ring.made = hot[4]
        self._restore_ranges(tracks, records, hot[7])
        self._restore_journal(tracks, records, hot[6])
        self._restore_moments(tracks, records, hot[5])
        present = stored_moment(hot[3])
        tracks.install(present)
        self._restore_bars(records)
        engine.count_from_here()
        tracks.ranges.touched.clear()

    def _restore_ranges(self, tracks: SymbolTracks, records: dict[str, Any], count: int) -> None:
        keys: list[Any] = []
        for number in range(count):
            for values in records[f"{self._name}/ranges/{number}"]:
                if values is None:
                    keys.append(None)
                    continue
                live = tracks.ranges.restored_range(values)
                tracks.ranges.put_back(live)
                keys.append(live.spec.key)
        self._ranges.restore(keys)

    def _restore_journal(
        self, tracks: SymbolTracks, records: dict[str, Any], hot: list[Any]
    ) -> None:
        journal = tracks.ranges.journal
        first, place, places = hot
        journal.first = first
        for block in places:
            for key, values in records[f"{self._name}/journal/{block}"][1]:
                journal.add(key, None if values is None else tracks.ranges.restored_range(values))
        assert journal.place == place
        journal.lowest_changed = place
        keys: list[Any] = [None] * (max(places) + 1 if places else 0)
        for number, block in enumerate(places):
            keys[block] = first // BLOCK_ENTRIES + number
        self._journal.restore(keys)

    def _restore_moments(
        self, tracks: SymbolTracks, records: dict[str, Any], places: list[list[int]]
    ) -> None:
        keys: list[Any] = [None] * (1 + max((place for _, place in places), default=-1))
        for number, place in places:
            tracks.ring.moments.append(stored_moment(records[f"{self._name}/ring/{place}"]))
            keys[place] = number
        self._moments.restore(keys)

    def _restore_bars(self, records: dict[str, Any]) -> None:
        engine = self._engine
        newest = engine.tracks.sessions.index + 1
        oldest = newest + 2 - self._sessions
        for part, book in (("bars", engine.book), ("off", engine.off_book)):
            prefix = f"{self._name}/{part}/"
            found = [
                chunk
                for key, chunk in records.items()
                if key.startswith(prefix) and oldest <= chunk[0] <= newest
            ]
            book.restore(sorted(found, key=_by_place))


def _by_place(chunk: list[Any]) -> tuple[int, int]:
    return chunk[0], chunk[1]
