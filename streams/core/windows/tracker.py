"""Historical windows of one symbol: at the close of each session, values for the next one.

Rules: docs/rules.md 18. A session leaves one tile when it closes; every window is made from the
tiles anew, so a correction that runs sessions again changes exactly the values that hold them.
"""

from __future__ import annotations

from math import gcd
from typing import Any, Final

from tapeline.schemas.events import WindowValue
from tapeline.schemas.ids import window_id
from tapeline.schemas.instants import FIRST_DAY
from tapeline.schemas.windows import FIELDS, WindowSpec
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import ClosedBar, Tracker
from tapeline.streams.core.volume import written_volume
from tapeline.streams.core.windows.spans import WindowSpan
from tapeline.streams.core.windows.tiles import SessionTiles, SlotColumns, Tile
from tapeline.streams.core.windows.values import WindowArithmetic

VERSION: Final = 1
NO_SESSION: Final = FIRST_DAY - 2
"""Index of no session, and one less than of none."""
UNKNOWN: Final = 0
WHOLE: Final = 1
IN_PART: Final = 2
"""What is known of the history's first session: nothing yet, it was seen from its open, or not."""
VOLUME: Final = "volume"
RANGE: Final = "range"
SPARE_DAYS: Final = 64
"""More calendar days than sessions lie apart because of holidays."""

_positions: Final[dict[str, int]] = {name: number for number, name in enumerate(FIELDS)}


class SessionWindow:
    """One window of a symbol.

    Attributes
    ----------
    column
        Of its field among those by slot; -1 where it is of one value a session.
    """

    __slots__ = ("arithmetic", "column", "field", "name", "span", "spec")

    def __init__(self, name: str, spec: WindowSpec, plan: InstrumentPlan) -> None:
        self.name = name
        self.spec = spec
        self.field: str = spec.field
        self.span = WindowSpan(plan.calendar, spec)
        numerator, denominator = plan.scale.numerator, plan.scale.denominator
        common = gcd(numerator, denominator)
        is_volume = spec.field == VOLUME
        self.arithmetic = WindowArithmetic(
            spec.kind,
            1 if is_volume else numerator // common,
            1 if is_volume else denominator // common,
            is_volume,
        )
        self.column = -1


class WindowFact:
    """A value of a window as it is published; sessions by index, None where there is none."""

    __slots__ = ("first", "have", "index", "last", "need", "value", "window")

    def __init__(self, window: SessionWindow, index: int, sessions: list[int]) -> None:
        self.window = window
        self.index = index
        self.first: int | None = sessions[0] if sessions else None
        self.last: int | None = sessions[-1] if sessions else None
        self.need = window.span.need(len(sessions))
        self.have = 0
        self.value: Any = None


class WindowTracker(Tracker):
    """All windows of one symbol.

    What it keeps is bounded: tiles of the sessions that windows ask for, from the oldest session
    on that corrections reach, and the slots of those that a window by minutes asks for.
    """

    __slots__ = (
        "_base_ms", "_by_minute", "_calendar", "_columns", "_day", "_due", "_fields", "_first",
        "_first_seen", "_horizon", "_open_ms", "_session", "_slots_before", "_stored", "_symbol",
        "_tiles", "_windows",
    )  # fmt: skip

    def __init__(self, plan: InstrumentPlan) -> None:
        super().__init__("windows", VERSION, ("window",), ("1d",), takes_runs=True)
        self._symbol = plan.symbol
        self._calendar: Calendar = plan.calendar
        self._base_ms = plan.base_ms
        self._horizon = plan.horizon_sessions
        # In the order of their ids.
        named = sorted(
            (window_id(plan.symbol, name, ""), name, spec) for name, spec in plan.windows
        )
        self._windows = [SessionWindow(name, spec, plan) for _, name, spec in named]
        self._by_minute = [each for each in self._windows if each.spec.granularity == "minute"]
        self._fields: list[str] = []
        for window in self._by_minute:
            if window.field not in self._fields:
                self._fields.append(window.field)
            window.column = self._fields.index(window.field)
        days = 2 * self._horizon + SPARE_DAYS
        self._tiles = SessionTiles(plan.calendar, days + _longest(self._windows))
        self._columns = SlotColumns(
            plan.calendar, days + _longest(self._by_minute), len(self._fields)
        )
        self._stored: dict[str, Any] | None = None
        self._open_ms = 0
        self._slots_before = 0
        self._day: ClosedBar | None = None
        self._due: list[WindowFact] = []
        self._session = self._first = NO_SESSION
        self._first_seen = UNKNOWN

    @property
    def in_part(self) -> int:
        """Index of the history's first session where it was seen in part, else `NO_SESSION`."""
        return self._first if self._first_seen == IN_PART else NO_SESSION

    def begin(self, label_ms: int) -> None:
        """History starts with the session of that label."""
        self._first = self._calendar.session_of(label_ms)
        self._first_seen = UNKNOWN

    def on_session(self, index: int, date: str) -> None:
        """A session begins: the one before has closed."""
        if index == self._session + 1:
            self._roll(index)
        self._session = index

    def on_segment(self, index: int, segment: int, slots_before: int, position: int) -> None:
        """Slots are counted on from those of earlier segments."""
        self._open_ms = self._calendar.segment_opens(index)[segment]
        self._slots_before = slots_before

    def on_bar(self, row: PackedRow, end_ms: int) -> None:
        """A bar: of the first one of the history it counts which slot it has."""
        start_ms: int = row[0]
        if self._first_seen == UNKNOWN:
            seen = start_ms == self._calendar.open_ms(self._first) or self._session > self._first
            self._first_seen = WHOLE if seen else IN_PART
        if self._fields:
            slot = self._slots_before + (start_ms - self._open_ms) // self._base_ms
            self._columns.put(self._session, slot, [_of_row(row, name) for name in self._fields])

    def take(self, rows: list[PackedRow]) -> None:
        """Bars of a run, one after the other where slots are asked for."""
        if self._fields or self._first_seen == UNKNOWN:
            for row in rows:
                self.on_bar(row, row[0] + self._base_ms)

    def on_derived(self, bar: ClosedBar) -> None:
        """The day's bar: the tile of the session that closes."""
        self._day = bar

    def _roll(self, index: int) -> None:
        """Keep the tile of the session that closed, and make all values for the next one."""
        day = self._day
        self._day = None
        if day is not None and (self._session != self._first or self._first_seen == WHOLE):
            volume = day.volume
            if isinstance(volume, float):
                volume = written_volume(volume)
            self._tiles.put(self._session, (day.open, day.high, day.low, day.close, volume))
        for window in self._windows:
            self._due.append(self._fact(window, index))
        self.pending = True
        reach = index - self._horizon
        self._tiles.forget_before(_oldest(self._windows, reach))
        self._columns.forget_before(_oldest(self._by_minute, reach))

    def _fact(self, window: SessionWindow, index: int) -> WindowFact:
        """The value of a window for a session, from the tiles."""
        sessions = window.span.sessions(index)
        fact = WindowFact(window, index, sessions)
        tiles = self._tiles.by_session
        had: list[int] = []
        values: list[Any] = []
        for session in sessions:
            tile = tiles.get(session)
            if tile is not None:
                value = _of_tile(tile, window.field)
                if value is not None:
                    had.append(session)
                    values.append(value)
        fact.have = len(had)
        if window.column >= 0:
            if sessions:
                fact.value = self._by_slot(window, had, index)
        elif values:
            fact.value = window.arithmetic.value(values)
        return fact

    def _by_slot(self, window: SessionWindow, sessions: list[int], index: int) -> list[Any]:
        """Values by slot of the first full session on or after one; None where there is none."""
        known = self._columns.by_session
        columns = [known[each][window.column] for each in sessions if each in known]
        found: list[Any] = []
        for slot in range(self._full_slots(index)):
            values: list[Any] = []
            for column in columns:
                if slot < len(column):
                    value = column[slot]
                    if value is not None:
                        values.append(value)
            found.append(window.arithmetic.value(values) if values else None)
        return found

    def _full_slots(self, index: int) -> int:
        """Slots of the first full session on or after one; of itself where none follows."""
        calendar = self._calendar
        at = index
        while calendar.has_session(at):
            if calendar.flags(at) == 0:
                return calendar.slot_count(at, self._base_ms)
            at += 1
        return calendar.slot_count(index, self._base_ms)

    def publish(self, part: str, stamp: Stamp) -> None:
        """Append the values that sessions led to which closed with this record."""
        calendar = self._calendar
        for fact in self._due:
            spec = fact.window.spec
            session = calendar.date(fact.index)
            stamp.out.append(
                WindowValue(
                    window_id(self._symbol, fact.window.name, session),
                    "upsert",
                    stamp.first_seq + len(stamp.out),
                    0,
                    self._symbol,
                    session,
                    calendar.close_ms(fact.index - 1),
                    stamp.watermark_ms,
                    None,
                    spec.kind,
                    spec.field,
                    spec.granularity,
                    spec.period,
                    fact.value,
                    None if fact.first is None else calendar.date(fact.first),
                    None if fact.last is None else calendar.date(fact.last),
                    fact.have,
                    fact.need,
                    0 < fact.have == fact.need,
                )
            )
        self._due = []

    def restore_point(self) -> list[Any]:
        """Plain data: sessions by date, and the slots that are known of the present one."""
        if self._session == NO_SESSION:
            return []
        calendar = self._calendar
        return [
            calendar.stored_day(self._session),
            calendar.stored_day(self._first),
            self._first_seen,
            self._columns.length(self._session),
            len(self._tiles.by_session),
            self._columns.chunk_count(),
        ]

    def rewind(self, data: list[Any]) -> None:
        """Go to a restore point: tiles of sessions that had not closed, and later slots, go."""
        self._due = []
        self._day = None
        if not data:
            self.reset()
            return
        calendar = self._calendar
        self._session = calendar.index_from_day(data[0])
        self._first = calendar.index_from_day(data[1])
        self._first_seen = data[2]
        stored = self._stored
        if stored is not None:
            self._stored = None
            reach = self._session - self._horizon
            self._tiles.restore(stored, _oldest(self._windows, reach), self._session)
            self._columns.restore(stored, _oldest(self._by_minute, reach), self._session)
            self._check_complete(data[4], data[5])
        self._tiles.drop_from(self._session)
        self._columns.cut(self._session, data[3])

    def _check_complete(self, tiles: int, chunks: int) -> None:
        """No record names another one: so they are counted."""
        found = len(self._tiles.by_session)
        assert found >= tiles, f"{found} of {tiles} tiles in {self._symbol}/added/windows"
        found = self._columns.chunk_count()
        assert found >= chunks, f"{found} of {chunks} chunks in {self._symbol}/added/windows"

    def snapshot(self) -> dict[str, Any]:
        """Tiles in blocks, slots in chunks."""
        return {**self._tiles.records(), **self._columns.records()}

    def changed(self) -> dict[str, Any]:
        """Those of them that changed."""
        return {**self._tiles.changed(), **self._columns.changed()}

    def restore(self, records: dict[str, Any]) -> None:
        """Take records; which of them are left over, the restore point that follows shows."""
        self._stored = records

    def reset(self) -> None:
        """Before the first bar."""
        self._stored = None
        self._due = []
        self._day = None
        self._session = self._first = NO_SESSION
        self._first_seen = UNKNOWN
        self._tiles.drop_from(NO_SESSION)
        self._columns.cut(NO_SESSION, 0)


def _longest(windows: list[SessionWindow]) -> int:
    """Calendar days that the longest of some windows spans."""
    longest = 0
    for window in windows:
        longest = max(longest, window.span.most_days)
    return longest


def _oldest(windows: list[SessionWindow], index: int) -> int:
    """First session that any of some windows needs for that session or a later one."""
    oldest = index
    for window in windows:
        oldest = min(oldest, window.span.first(index))
    return oldest


def _of_tile(tile: Tile, name: str) -> Any:
    """A field of a session: None where its volume is not known."""
    if name == RANGE:
        return tile[1] - tile[2]
    return tile[_positions[name]]


def _of_row(row: PackedRow, name: str) -> Any:
    """A field of a bar."""
    if name == RANGE:
        return row[2] - row[3]
    return row[1 + _positions[name]]
