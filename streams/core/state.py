"""State of one symbol as stored records, and back.

docs/rules.md 14.1: a few records that change at different rates, under fixed ring keys. The hot
part changes with every bar; beside it lie ranges and their journal (blocks of 64), points of the
ring, and bars (chunks of at most 60). Sessions are named by their dates, as days since 1970-01-01.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.streams.core.history.blocks import RecordSlots
from tapeline.streams.core.history.ring import HOUR, NOWHERE_MS, stored_point
from tapeline.streams.core.ranges.journal import BLOCK_ENTRIES
from tapeline.streams.core.symbol import SymbolEngine
from tapeline.streams.core.tracker import Tracker
from tapeline.streams.core.tracks import SymbolTracks

RANGES: Final = 64
ADDED: Final = "added"
"""What the records of added trackers begin with, after the symbol and before their names."""


class StateSlots:
    """Which value lies in which record."""

    def __init__(self) -> None:
        self.ranges = RecordSlots(RANGES)
        self.points = RecordSlots(1)
        self.journal = RecordSlots(1)
        self.sessions = RecordSlots(1)


class SymbolState:
    """State of a symbol as records, whole or what changed.

    Parameters
    ----------
    horizon_sessions
        Sessions of bars before that of the watermark.
    """

    def __init__(self, symbol: SymbolEngine, horizon_sessions: int) -> None:
        self._engine = symbol
        self._name = symbol.symbol
        self._horizon = horizon_sessions
        self._slots = StateSlots()

    def track(self) -> None:
        """Remember from now on what changes."""
        self._engine.book.track()
        self._engine.off_book.track()
        self._engine.tracks.ranges.track()

    def everything(self, slots: StateSlots) -> dict[str, Any]:
        """All records but the hot one; values get their slots in an order of their own."""
        engine = self._engine
        engine.tracks.flush()
        found: dict[str, Any] = {}
        self._add_bars(found, slots, "bars", engine.book.chunks())
        self._add_bars(found, slots, "off", engine.off_book.chunks())
        tracker = engine.tracks.ranges
        self._add_ranges(found, slots, sorted([*tracker.alive, *tracker.finished]))
        self._add_journal(found, slots, 0)
        self._add_points(found, slots)
        return found

    def snapshot(self, slots: StateSlots) -> dict[str, Any]:
        """All records but the hot one, for an engine that is restored from them."""
        found = self.everything(slots)
        for added in self._engine.tracks.added.trackers:
            self._add_records(found, added, added.snapshot())
        return found

    def start(self) -> dict[str, Any]:
        """All records; from now on `changed` gives those that differ."""
        self.track()
        found = self.everything(self._slots)
        self._engine.tracks.ranges.journal.mark_clean()
        for added in self._engine.tracks.added.trackers:
            self._add_records(found, added, added.changed())
        return found

    def changed(self) -> dict[str, Any]:
        """Records that changed since the last call; the hot one is not among them."""
        engine = self._engine
        engine.tracks.flush()
        found: dict[str, Any] = {}
        self._add_bars(found, self._slots, "bars", engine.book.take_touched())
        self._add_bars(found, self._slots, "off", engine.off_book.take_touched())
        tracker = engine.tracks.ranges
        self._add_ranges(found, self._slots, list(tracker.touched))
        tracker.touched.clear()
        self._add_journal(found, self._slots, tracker.journal.lowest_changed)
        tracker.journal.mark_clean()
        self._add_points(found, self._slots)
        for added in engine.tracks.added.trackers:
            self._add_records(found, added, added.changed())
        return found

    def _add_records(
        self, found: dict[str, Any], tracker: Tracker, records: dict[str, Any]
    ) -> None:
        """Records of an added tracker, under a prefix of its own."""
        for name, data in records.items():
            found[f"{self._name}/{ADDED}/{tracker.name}/{name}"] = data

    def _add_bars(
        self, found: dict[str, Any], slots: StateSlots, part: str, chunks: list[list[Any]]
    ) -> None:
        """Chunks of one session have a slot in common, which a later session takes over."""
        table = slots.sessions
        for chunk in chunks:
            if chunk[0] not in table:
                self._drop_sessions(table)
            found[f"{self._name}/{part}/{table.put(chunk[0])}/{chunk[1]}"] = chunk

    def _drop_sessions(self, table: RecordSlots) -> None:
        """Give the slots of sessions beyond the horizon to others."""
        calendar = self._engine.tracks.calendar
        oldest = self._engine.tracks.sessions.index - self._horizon
        for day in [key for key in table.keys if key is not None]:
            if calendar.index_from_day(day) < oldest:
                table.drop(day)

    def _add_ranges(self, found: dict[str, Any], slots: StateSlots, keys: list[int]) -> None:
        tracker = self._engine.tracks.ranges
        table = slots.ranges
        for key in keys:
            if key in tracker.alive or key in tracker.finished:
                table.put(key)
            else:
                table.drop(key)
        for number in table.take_changed():
            values: list[Any] = []
            for kept in table.record(number):
                if kept is None:
                    values.append(None)
                    continue
                live = tracker.alive[kept] if kept in tracker.alive else tracker.finished[kept]
                values.append(live.snapshot())
            found[f"{self._name}/ranges/{number}"] = values

    def _add_journal(self, found: dict[str, Any], slots: StateSlots, lowest: int) -> None:
        journal = self._engine.tracks.ranges.journal
        table = slots.journal
        blocks = journal.blocks()
        for block in [key for key in table.keys if key is not None]:
            if block not in blocks:
                table.drop(block)
        for block in blocks:
            if block < lowest // BLOCK_ENTRIES and block in table:
                continue
            entries = []
            for key, before in journal.block(block):
                entries.append([key, None if before is None else before.snapshot()])
            found[f"{self._name}/journal/{table.put(block)}"] = [block, entries]

    def _add_points(self, found: dict[str, Any], slots: StateSlots) -> None:
        tracks = self._engine.tracks
        table = slots.points
        kept = {point.number: point for point in tracks.ring.stored()}
        for number in [key for key in table.keys if key is not None]:
            if number not in kept:
                table.drop(number)
        for number, point in kept.items():
            if number not in table:
                found[f"{self._name}/ring/{table.put(number)}"] = point.pack(tracks.rules.all)

    def hot(self, slots: StateSlots | None = None) -> list[Any]:
        """The part that changes with every bar, for the records made last."""
        if slots is None:
            slots = self._slots
        engine = self._engine
        tracks = engine.tracks
        mark = None if tracks.watermark_ms == NOWHERE_MS else tracks.watermark_ms
        if tracks.first_label_ms == NOWHERE_MS:
            return [mark, engine.had_bar]
        journal = tracks.ranges.journal
        oldest = tracks.sessions.index - self._horizon
        return [
            mark,
            engine.had_bar,
            tracks.first_label_ms,
            tracks.capture(HOUR).pack(tracks.rules.all),
            tracks.ring.made,
            [[point.number, slots.points.put(point.number)] for point in tracks.ring.stored()],
            [journal.first, journal.position, [slots.journal.put(key) for key in journal.blocks()]],
            slots.ranges.record_count(),
            slots.sessions.keys.copy(),
            [engine.book.chunk_count(oldest), engine.off_book.chunk_count(oldest)],
        ]

    def restore(self, hot: list[Any], records: dict[str, Any]) -> None:
        """Take the records of a symbol; those that the hot part does not know are left overs."""
        engine = self._engine
        tracks = engine.tracks
        if hot[0] is not None:
            tracks.watermark_ms = hot[0]
        engine.had_bar = hot[1]
        self.track()
        if len(hot) == 2:
            return
        tracks.first_label_ms = hot[2]
        tracks.ring.made = hot[4]
        self._restore_ranges(tracks, records, hot[7])
        self._restore_journal(tracks, records, hot[6])
        self._restore_points(tracks, records, hot[5])
        for added in tracks.added.trackers:
            prefix = f"{self._name}/{ADDED}/{added.name}/"
            added.restore(
                {
                    key[len(prefix) :]: data
                    for key, data in records.items()
                    if key.startswith(prefix)
                }
            )
        present = stored_point(hot[3])
        tracks.install(present)
        self._restore_bars(records, hot[8], hot[9])
        engine.count_from_here()
        engine.book.mark_clean()
        engine.off_book.mark_clean()
        self.changed()

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
        self._slots.ranges.restore(keys)

    def _restore_journal(
        self, tracks: SymbolTracks, records: dict[str, Any], hot: list[Any]
    ) -> None:
        journal = tracks.ranges.journal
        first, position, slots = hot
        journal.first = first
        for slot in slots:
            for key, values in records[f"{self._name}/journal/{slot}"][1]:
                journal.add(key, None if values is None else tracks.ranges.restored_range(values))
        assert journal.position == position
        journal.mark_clean()
        keys: list[Any] = [None] * (max(slots) + 1 if slots else 0)
        for number, slot in enumerate(slots):
            keys[slot] = first // BLOCK_ENTRIES + number
        self._slots.journal.restore(keys)

    def _restore_points(
        self, tracks: SymbolTracks, records: dict[str, Any], slots: list[list[int]]
    ) -> None:
        keys: list[Any] = [None] * (1 + max((slot for _, slot in slots), default=-1))
        for number, slot in slots:
            tracks.ring.points.append(stored_point(records[f"{self._name}/ring/{slot}"]))
            keys[slot] = number
        self._slots.points.restore(keys)

    def _restore_bars(self, records: dict[str, Any], days: list[Any], counts: list[int]) -> None:
        """`days` are the session dates by slot: a record of another date is left over.

        `counts` are the chunks that each book had: nothing else names them one by one.
        """
        engine = self._engine
        oldest = engine.tracks.sessions.index - self._horizon
        slots: dict[str, int] = {}
        for slot, day in enumerate(days):
            if day is not None and engine.tracks.calendar.index_from_day(day) >= oldest:
                slots[str(slot)] = day
        books = (("bars", engine.book), ("off", engine.off_book))
        for (part, book), count in zip(books, counts, strict=True):
            prefix = f"{self._name}/{part}/"
            found = [
                chunk
                for key, chunk in records.items()
                if key.startswith(prefix)
                and slots.get(key[len(prefix) : key.rindex("/")]) == chunk[0]
            ]
            assert len(found) >= count, f"{len(found)} of {count} records {prefix}"
            book.restore(sorted(found, key=_by_session))
        self._slots.sessions.restore(days.copy())


def _by_session(chunk: list[Any]) -> tuple[int, int]:
    return chunk[0], chunk[1]
