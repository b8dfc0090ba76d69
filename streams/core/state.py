"""State of one symbol as stored records, and back.

docs/rules.md 14.1: a few records that change at different rates, under fixed ring keys. The hot
part changes with every bar; beside it lie ranges and their journal (blocks of 64), points of the
ring, and bars (chunks of at most 60). Sessions are named by their dates, as days since 1970-01-01.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.streams.core.history.blocks import RecordSlots
from tapeline.streams.core.history.ring import HOUR, NOWHERE_MS, RestorePoint, stored_point
from tapeline.streams.core.ranges.stored import INDEX
from tapeline.streams.core.symbol import SymbolEngine
from tapeline.streams.core.tracker import Tracker
from tapeline.streams.core.tracks import SymbolTracks

ADDED: Final = "added"
"""What the records of added trackers begin with, after the symbol and before their names."""


def stored_present(hot: list[Any]) -> RestorePoint | None:
    """Where a symbol stands by its hot part; None before its first bar."""
    return None if len(hot) == 2 else stored_point(hot[3])


class StateSlots:
    """Which value lies in which record.

    Attributes
    ----------
    points, sessions
        Restore points by number, and bars by session.
    ranges
        What the tracker of ranges wrote last: its record `INDEX`.
    """

    def __init__(self) -> None:
        self.ranges: Any = None
        self.points = RecordSlots(1)
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
        self._books = (("bars", symbol.book), ("off", symbol.off_book))
        self._tracked = False

    def snapshot(self, slots: StateSlots) -> dict[str, Any]:
        """All records but the hot one, for an engine that is restored from them.

        Values get their slots in an order of their own.
        """
        engine = self._engine
        engine.tracks.flush()
        found: dict[str, Any] = {}
        for part, book in self._books:
            self._add_bars(found, slots, part, book.chunks())
        self._add_ranges(found, slots, engine.tracks.ranges.snapshot())
        self._add_points(found, slots)
        for added in engine.tracks.rules.added:
            self._add_records(found, added, added.snapshot())
        return found

    def changed(self) -> dict[str, Any]:
        """All records but the hot one that changed since the last call, all the first time."""
        engine = self._engine
        engine.tracks.flush()
        slots = self._slots
        found: dict[str, Any] = {}
        for part, book in self._books:
            self._add_bars(
                found, slots, part, book.take_touched() if self._tracked else book.chunks()
            )
            book.track()
        self._add_ranges(found, slots, engine.tracks.ranges.changed())
        self._add_points(found, slots)
        for added in engine.tracks.rules.added:
            self._add_records(found, added, added.changed())
        self._tracked = True
        return found

    def _add_ranges(
        self, found: dict[str, Any], slots: StateSlots, records: dict[str, Any]
    ) -> None:
        """Records of ranges lie beside those of bars; their index is a part of the hot one."""
        slots.ranges = records.pop(INDEX)
        for name, data in records.items():
            found[f"{self._name}/{name}"] = data

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

    def _add_points(self, found: dict[str, Any], slots: StateSlots) -> None:
        tracks = self._engine.tracks
        table = slots.points
        kept = {point.number: point for point in tracks.history.ring.stored()}
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
        oldest = tracks.sessions.index - self._horizon
        ring = tracks.history.ring
        return [
            mark,
            engine.had_bar,
            tracks.first_label_ms,
            tracks.capture(HOUR).pack(tracks.rules.all),
            ring.made,
            [
                [point.number, slots.points.put(point.number)]
                for point in tracks.history.ring.stored()
            ],
            *slots.ranges,
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
        self._tracked = True
        for _, book in self._books:
            book.track()
        if len(hot) == 2:
            self.changed()
            return
        tracks.first_label_ms = hot[2]
        tracks.history.ring.made = hot[4]
        prefix = f"{self._name}/"
        self._restore_tracker(tracks.ranges, prefix, {**records, f"{prefix}{INDEX}": hot[6:8]})
        self._restore_points(tracks, records, hot[5])
        for added in tracks.rules.added:
            self._restore_tracker(added, f"{prefix}{ADDED}/{added.name}/", records)
        present = stored_point(hot[3])
        tracks.install(present)
        self._restore_bars(records, hot[8], hot[9])
        engine.count_from_here()
        for _, book in self._books:
            book.mark_clean()
        self.changed()

    def _restore_tracker(self, tracker: Tracker, prefix: str, records: dict[str, Any]) -> None:
        try:
            tracker.restore(
                {
                    key[len(prefix) :]: data
                    for key, data in records.items()
                    if key.startswith(prefix)
                }
            )
        except KeyError as error:
            raise KeyError(f"{prefix}{error.args[0]}") from error

    def _restore_points(
        self, tracks: SymbolTracks, records: dict[str, Any], slots: list[list[int]]
    ) -> None:
        keys: list[Any] = [None] * (1 + max((slot for _, slot in slots), default=-1))
        for number, slot in slots:
            tracks.history.ring.points.append(stored_point(records[f"{self._name}/ring/{slot}"]))
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
        for (part, book), count in zip(self._books, counts, strict=True):
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
