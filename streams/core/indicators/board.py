"""The indicators of one interval of one symbol: they take bars together and make a row of each."""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.events import Event, Indicators
from tapeline.schemas.ids import ids_of, indicators_id
from tapeline.streams.core.indicators.making import IndicatorInputs, make_all
from tapeline.streams.core.indicators.model import BarRing, Indicator, Value
from tapeline.streams.core.indicators.periods import periods_a_year
from tapeline.streams.core.plan import InstrumentPlan, PlannedIndicators
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import ClosedBar
from tapeline.streams.core.windows.volumes import SlotVolumes

# Final names of a module are variables of C once compiled; imported ones are looked up.
_new_row: Final = Indicators
COLD: Final = 0
WARMING: Final = 1
WARM: Final = 2


class Row:
    """What a row holds but its position in the output.

    Attributes
    ----------
    session, start_ms, end_ms
        Of its bar.
    values
        By key, sorted.
    cold, warming
        Keys, sorted.
    """

    __slots__ = (
        "board", "cold", "end_ms", "null_volumes", "session", "start_ms", "values", "warming",
    )  # fmt: skip

    def __init__(
        self,
        board: Board,
        bar: tuple[str, int, int],
        values: dict[str, Value],
        cold: tuple[str, ...],
        warming: tuple[str, ...],
        null_volumes: int | None,
    ) -> None:
        self.board = board
        self.session, self.start_ms, self.end_ms = bar
        self.values = values
        self.cold = cold
        self.warming = warming
        self.null_volumes = null_volumes

    def stored(self) -> list[Any]:
        """Plain data; the keys of the values are known."""
        return [
            self.session,
            self.start_ms,
            self.end_ms,
            list(self.values.values()),
            list(self.cold),
            list(self.warming),
            self.null_volumes,
        ]

    def event(self, stamp: Stamp) -> Event:
        """The row as the next event of a record."""
        board = self.board
        start: Any = self.start_ms
        # One object for all fields that hold it.
        end: Any = self.end_ms
        return _new_row(
            board.latest_id if board.latest else f"{board.prefix}{start}",
            "upsert",
            stamp.first_seq + len(stamp.out),
            0,
            board.symbol,
            self.session,
            end,
            stamp.watermark_ms,
            None,
            board.interval,
            start,
            end,
            self.values,
            self.cold,
            self.warming,
            self.null_volumes,
        )


class Board:
    """All indicators of one interval.

    Attributes
    ----------
    symbol, interval
        Whose bars they follow.
    latest
        Whether all rows are versions of one fact.
    latest_id, prefix
        Its id; what the ids of rows that are facts of their own begin with.
    complete_only
        Whether bars with missing members are passed over.
    ring
        The last bars.

    Parameters
    ----------
    volumes
        Of the base bars, where an indicator needs them; its owner hands these over before.
    """

    __slots__ = (
        "_cold", "_columns", "_columns_of", "_indicators", "_keys", "_last", "_look_backs",
        "_point", "_stages", "_unsure", "_warming", "complete_only", "interval", "latest",
        "latest_id", "prefix", "ring", "symbol",
    )  # fmt: skip

    def __init__(
        self, plan: InstrumentPlan, planned: PlannedIndicators, volumes: SlotVolumes | None
    ) -> None:
        interval = planned.interval.name
        self.symbol = plan.symbol
        self.interval = interval
        self.latest = planned.latest
        self.latest_id = indicators_id(plan.symbol, interval)
        self.prefix = ids_of("indicators", plan.symbol, interval)
        self.complete_only = planned.complete_only
        self.ring = BarRing()
        periods = periods_a_year(plan.calendar, planned.interval)
        inputs = IndicatorInputs(plan.scale, periods, volumes)
        self._indicators = make_all(planned.specifications, self.ring, inputs)
        self._look_backs = _look_backs(self._indicators)
        columns: list[tuple[str, int, int]] = []
        for number, made in enumerate(planned.specifications):
            for position, key in enumerate(made.keys(interval)):
                columns.append((key, number, position))
        columns.sort()
        self._columns_of = columns
        self._keys = [key for key, _, _ in columns]
        self._columns = [(key, self._indicators[owner], value) for key, owner, value in columns]
        self._last: Row | None = None
        self._point: list[Any] | None = None
        self._stages = [COLD for _ in self._indicators]
        self._unsure: list[int] = []
        self._cold: tuple[str, ...] = ()
        self._warming: tuple[str, ...] = ()
        self._look_at_all()

    def begin(self, label_ms: int) -> None:
        """The history starts, with a bar in session of that label."""
        self.ring.begin_ms = label_ms
        self._point = None

    def take(self, bar: ClosedBar) -> Row:
        """The next bar; its row."""
        ring = self.ring
        ring.push(bar)
        index = len(ring.closes) - 1
        seen = ring.count
        for each in self._indicators:
            each.update(index, seen)
        if self._unsure:
            self._look_at_unsure()
        values: dict[str, Value] = {}
        if self._cold:
            for key, owner, number in self._columns_of:
                if self._stages[owner] == COLD:
                    values[key] = None
                else:
                    values[key] = self._indicators[owner].value(number)
        else:
            for key, indicator, number in self._columns:
                values[key] = indicator.value(number)
        null_volumes: int | None = None
        for look_back in self._look_backs:
            unknown = ring.unknown_volumes(look_back)
            if null_volumes is None or unknown > null_volumes:
                null_volumes = unknown
        row = Row(
            self,
            (bar.session, bar.start_ms, bar.end_ms),
            values,
            self._cold,
            self._warming,
            null_volumes,
        )
        self._point = None
        if self.latest:
            self._last = row
        return row

    def _look_at_unsure(self) -> None:
        """What is cold or warming may have got further; nothing goes back."""
        ring = self.ring
        count = ring.count
        counted = ring.counted
        stages = self._stages
        changed = False
        for number in self._unsure:
            each = self._indicators[number]
            if count < each.first:
                continue
            stage = WARMING if counted < each.warm_from else WARM
            if stage != stages[number]:
                stages[number] = stage
                changed = True
        if changed:
            self._list_keys()

    def _look_at_all(self) -> None:
        for number in range(len(self._stages)):
            self._stages[number] = COLD
        self._unsure = list(range(len(self._stages)))
        self._look_at_unsure()
        self._list_keys()

    def _list_keys(self) -> None:
        stages = self._stages
        self._unsure = [number for number, stage in enumerate(stages) if stage != WARM]
        self._cold = self._keys_in(COLD)
        self._warming = self._keys_in(WARMING)

    def _keys_in(self, stage: int) -> tuple[str, ...]:
        return tuple([key for key, owner, _ in self._columns_of if self._stages[owner] == stage])

    def restore_point(self) -> list[Any]:
        """Plain data; the same object until the next bar."""
        point = self._point
        if point is None:
            last = self._last
            point = [
                self.ring.snapshot(),
                [each.snapshot() for each in self._indicators],
                None if last is None else last.stored(),
            ]
            self._point = point
        return point

    def rewind(self, point: list[Any]) -> None:
        """Go to a restore point."""
        self.ring.restore(point[0])
        for number, each in enumerate(self._indicators):
            each.restore(point[1][number])
        self._last = self.row_of(point)
        self._point = point
        self._look_at_all()

    def row_of(self, point: list[Any]) -> Row | None:
        """The row of the latest bar at a restore point; None before the first one."""
        data: list[Any] | None = point[2]
        if data is None:
            return None
        session, start_ms, end_ms, values, cold, warming, null_volumes = data
        return Row(
            self,
            (session, start_ms, end_ms),
            dict(zip(self._keys, values, strict=True)),
            tuple(cold),
            tuple(warming),
            null_volumes,
        )


def _look_backs(indicators: list[Indicator]) -> list[int]:
    """Look-backs of volume indicators, each once."""
    found: list[int] = []
    for each in indicators:
        if each.look_back != 0 and each.look_back not in found:
            found.append(each.look_back)
    return found
