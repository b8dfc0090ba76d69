"""The tracker of indicators: bars of their intervals in, one row a bar out (docs/rules.md 17)."""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.events import Event
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.indicators.board import Board, Row
from tapeline.streams.core.indicators.model import stored_count
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import ClosedBar, Tracker
from tapeline.streams.core.windows.volumes import SlotVolumes

VERSION: Final = 1
PART: Final = "indicators"


class IndicatorTracker(Tracker):
    """All indicators of one symbol.

    Those of the base interval publish for every bar, so runs are handed over bar by bar; all others
    need no base bar but the first one of the history.
    """

    __slots__ = (
        "_base", "_base_ms", "_base_name", "_begun", "_blank", "_boards", "_by_interval", "_date",
        "_due", "_volumes",
    )  # fmt: skip

    def __init__(self, plan: InstrumentPlan) -> None:
        sessions = _volume_sessions(plan)
        self._volumes: SlotVolumes | None = None
        if sessions:
            self._volumes = SlotVolumes(plan, sessions)
        boards = [Board(plan, each, self._volumes) for each in plan.indicators]
        derived = tuple([each.interval for each in boards if each.interval != plan.base])
        super().__init__(PART, VERSION, (PART,), derived, takes_runs=True)
        self._boards = boards
        self._by_interval = {each.interval: each for each in boards}
        self._base = self._by_interval.get(plan.base)
        self._base_name = plan.base
        self._base_ms = plan.base_ms
        self.at_once = self._base is not None
        self._begun = False
        self._date = ""
        self._due: list[Row] = []
        self._blank = self.restore_point()

    def on_session(self, index: int, date: str) -> None:
        """Base bars that come belong to this session."""
        self._date = date
        if self._volumes is not None:
            self._volumes.enter(index)

    def on_bar(self, row: PackedRow, end_ms: int) -> None:
        """One in-session bar."""
        if not self._begun:
            self._begun = True
            for board in self._boards:
                board.begin(row[0])
        volumes = self._volumes
        if volumes is not None:
            volumes.take(end_ms, row[5])
        base = self._base
        if base is not None:
            start_ms, opened, high, low, close, volume = row
            bar = (start_ms, end_ms, opened, high, low, close)
            self._move(base, ClosedBar(self._base_name, self._date, bar, volume, 1, 1))

    def take(self, rows: list[PackedRow]) -> None:
        """Bars of an unbroken run."""
        if self._base is not None or self._volumes is not None or not self._begun:
            for row in rows:
                self.on_bar(row, row[0] + self._base_ms)

    def on_derived(self, bar: ClosedBar) -> None:
        """A bar of an interval that indicators have asked for."""
        board = self._by_interval[bar.interval]
        if bar.have == bar.need or not board.complete_only:
            self._move(board, bar)

    def _move(self, board: Board, bar: ClosedBar) -> None:
        row = board.take(bar)
        if board.latest:
            # An id comes once a record.
            self._due = [each for each in self._due if each.board is not board]
        self._due.append(row)
        self.pending = True

    def publish(self, part: str, stamp: Stamp) -> None:
        """Append the rows: by end, then ascending length, as their bars ended."""
        out = stamp.out
        for row in self._due:
            out.append(row.event(stamp))
        self._due = []

    def restore_point(self) -> list[Any]:
        """Plain data, as long as the longest look-backs; of volumes by slot how far they go."""
        volumes = self._volumes
        return [
            self._begun,
            self._date,
            [board.restore_point() for board in self._boards],
            None if volumes is None else volumes.restore_point(),
        ]

    def rewind(self, point: list[Any]) -> None:
        """Go to a restore point."""
        self._begun = point[0]
        self._date = point[1]
        if self._volumes is not None:
            self._volumes.rewind(point[3])
        for number, board in enumerate(self._boards):
            board.rewind(point[2][number])
        self._due = []

    def bars_at(self, point: list[Any]) -> dict[str, int]:
        """Bars that indicators had taken at a restore point, by interval."""
        found: dict[str, int] = {}
        for number, board in enumerate(self._boards):
            found[board.interval] = stored_count(point[2][number][0])
        return found

    def release(self, point: list[Any]) -> None:
        """Volumes by slot that no restore point asks about any more are forgotten."""
        if self._volumes is not None:
            self._volumes.release(point[3])

    def snapshot(self) -> dict[str, Any]:
        """Volumes by slot, in chunks."""
        return {} if self._volumes is None else self._volumes.records()

    def changed(self) -> dict[str, Any]:
        """Those of them that changed."""
        return {} if self._volumes is None else self._volumes.changed()

    def restore(self, records: dict[str, Any]) -> None:
        """Take records of volumes by slot; the restore point that follows is a length of them."""
        if self._volumes is not None:
            self._volumes.restore(records)

    def open_ids(self, point: Any = None) -> list[str]:
        """The facts that grow: rows of the latest bar."""
        return [board.latest_id for board in self._boards if board.latest]

    def standing(self, point: list[Any], ids: list[str]) -> list[Event]:
        """The rows of the latest bars."""
        found: list[Event] = []
        for number, board in enumerate(self._boards):
            row = board.row_of(point[2][number])
            if row is not None:
                found.append(row.event(Stamp()))
        return found

    def reset(self) -> None:
        """Before the first bar."""
        self.rewind(self._blank)


def _volume_sessions(plan: InstrumentPlan) -> int:
    """Sessions before the present one whose volumes relative volumes need; 0: none."""
    found = 0
    for planned in plan.indicators:
        for made in planned.specifications:
            if made.name == "rvol":
                found = max(found, made.whole("n"))
    return found
