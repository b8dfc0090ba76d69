"""The engine of one group: a fold over log records.

Architecture rule 2: `apply(record, offset) -> events`, `snapshot() -> plain data`, `restore(data)`.
Same log and configuration, same events, in any batch size and after any restart.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.events import Event
from schemas.records import Bar, Cancel, Clock, LogRecord
from streams.core.pairs import PairTracker
from streams.core.plan import GroupPlan
from streams.core.rejection import RecordRejected
from streams.core.schedule import RangeSchedule
from streams.core.stamp import Stamp
from streams.core.symbol import SymbolEngine

STATE_VERSION: Final = 1


class GroupEngine:
    """All symbols of one group, in one order.

    Parameters
    ----------
    plan
        Settings of the group; a restored engine needs the plan its state was made with.
    """

    def __init__(self, plan: GroupPlan) -> None:
        self.plan = plan
        self.offset = -1
        self._stamp = Stamp()
        self._symbols: dict[str, SymbolEngine] = {}
        self._members: list[SymbolEngine] = []
        paired = len(plan.instruments) == 2
        schedule: RangeSchedule | None = None
        for number, instrument in enumerate(plan.instruments):
            if schedule is None:
                schedule = RangeSchedule(instrument.calendar, instrument.base_ms, instrument.kinds)
            member = SymbolEngine(instrument, schedule, number, paired, self._stamp)
            self._members.append(member)
            self._symbols[instrument.symbol] = member
        if paired:
            first = plan.instruments[0]
            pairs = PairTracker(
                plan.group,
                [member.symbol for member in self._members],
                [member.ranges for member in self._members],
                first.calendar,
                first.base_ms,
                first.horizon_sessions,
            )
            for member in self._members:
                member.join(pairs, self._members[1 - member.number])

    def apply(self, record: LogRecord, offset: int) -> list[Event]:
        """Take one record of the group's partition.

        Parameters
        ----------
        record
            Next record of the log.
        offset
            Its source offset, greater than that of the record before; part of every `seq`.

        Returns
        -------
        list[Event]
            What changed in the view, in the order of publication.

        Raises
        ------
        RecordRejected
            The record must become a dead letter; the view is as before, and the offset counts as
            taken.
        """
        self.offset = offset
        try:
            member = self._symbols[record.symbol]
        except KeyError:
            raise RecordRejected(
                "unknown_symbol", f"symbol {record.symbol!r} is not in the group"
            ) from None
        if type(record) is Bar:
            return member.bar(record, offset)
        if isinstance(record, Clock):
            return member.clock(record, offset)
        assert isinstance(record, Cancel)
        return member.cancel(record)

    def watermark_ms(self, symbol: str) -> int | None:
        """Watermark of a symbol; None before its first bar or clock."""
        member = self._symbols[symbol]
        return member.watermark_ms if member.has_watermark else None

    def slot_end_ms(self, symbol: str, start_ms: int) -> int:
        """End of the base bar of a symbol labelled `start_ms`."""
        member = self._symbols[symbol]
        return member.calendar.slot_end(start_ms, member.base_ms)

    def counters(self, symbol: str) -> dict[str, int]:
        """What became of the records of a symbol since this engine was made."""
        return self._symbols[symbol].counters()

    def unresolved(self, symbol: str) -> int:
        """Number of ranges of a symbol that are neither resolved nor expired."""
        return len(self._symbols[symbol].ranges.alive)

    def snapshot(self) -> dict[str, Any]:
        """State as plain data, versioned: all that decides the outputs to come.

        Keys: ``v`` version, ``offset`` last record taken, ``symbols`` by name: ``hot`` (changes
        with each record), ``ranges`` (those from before the correction horizon), ``bars``
        (chunks inside it).
        """
        return {
            "v": STATE_VERSION,
            "offset": self.offset,
            "symbols": {member.symbol: member.snapshot() for member in self._members},
        }

    @staticmethod
    def restore(plan: GroupPlan, data: dict[str, Any]) -> GroupEngine:
        """The engine whose `snapshot` this is.

        Raises
        ------
        ValueError
            When the state is of another version or of other symbols than the plan.
        """
        engine = GroupEngine(plan)
        if data["v"] != STATE_VERSION:
            raise ValueError(f"state version {data['v']} is not {STATE_VERSION}")
        if list(data["symbols"]) != [member.symbol for member in engine._members]:
            raise ValueError(f"state is of {list(data['symbols'])}, not of group {plan.group}")
        engine.offset = data["offset"]
        for member in engine._members:
            member.restore(data["symbols"][member.symbol])
        return engine
