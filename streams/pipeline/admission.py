"""Which symbols that nobody has configured a partition of the log takes: only so many.

Every symbol has an engine for good, so an input that makes up symbols would fill any memory. A
symbol that ``[instruments.default]`` takes gets one of ``[limits] symbols`` places of its partition
with its first bar or clock that passes the checks; dead letters and cancels of bars that are not
there take none. When no place is left, the records of any further symbol are dead letters
``too_many_symbols``. So the places are a function of the log and the configuration alone: they are
the groups that have a watermark, which every stored state names, in the order of the offsets at
which they began. Files and stores are one partition.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tapeline.schemas.config.model import Config
from tapeline.schemas.records import Cancel, LogRecord
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.planning import plan_group

TOO_MANY = "too_many_symbols"


class StandIn:
    """The checks that need no state, of any symbol that the configuration does not name.

    Such symbols differ in nothing that is checked: one of them stands for all.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._symbol = ""
        self._engine: GroupEngine | None = None

    def check(self, record: LogRecord) -> None:
        """Check a record.

        Raises
        ------
        RecordRejected
            As the engine of its symbol would.
        """
        engine = self._standing(record.symbol)
        engine.check(replace(record, symbol=self._symbol))

    def slot_end_ms(self, symbol: str, start_ms: int) -> int:
        """End of a bar; see `GroupEngine.slot_end_ms`."""
        return self._standing(symbol).slot_end_ms(self._symbol, start_ms)

    def plan(self, symbol: str) -> InstrumentPlan:
        """The plan, under the name of the symbol that stands for all."""
        return self._standing(symbol).plan.instruments[0]

    def counters(self, symbol: str) -> dict[str, int]:
        """Counters of a symbol of which nothing was accepted."""
        return self._standing(symbol).counters(self._symbol)

    def _standing(self, symbol: str) -> GroupEngine:
        if self._engine is None:
            self._symbol = symbol
            self._engine = GroupEngine(plan_group(self._config, symbol))
        return self._engine


class Admission:
    """The places of one partition.

    Parameters
    ----------
    groups
        Those that have a state already, in any order.
    """

    def __init__(self, config: Config, groups: Iterable[str] = ()) -> None:
        self._config = config
        self._most = config.limits.symbols
        self._placed = {group for group in groups if not config.names(group)}
        self._stand_in = StandIn(config)

    def holds(self, symbol: str) -> bool:
        """Whether a symbol is configured or has a place."""
        return symbol in self._placed or self._config.names(symbol)

    def admit(self, record: LogRecord) -> bool:
        """Whether the symbol of a record has a place, or now takes one; it is accepted, at least.

        A symbol that is configured needs none. False: the record is a cancel, has no effect and
        leaves its symbol without a place.

        Raises
        ------
        RecordRejected
            When the record does not pass the checks that need no state, or no place is left.
        """
        symbol = record.symbol
        if self.holds(symbol):
            return True
        self._stand_in.check(record)
        if isinstance(record, Cancel):
            return False
        if len(self._placed) >= self._most:
            raise RecordRejected(
                "too_many_symbols",
                f"symbol {symbol!r} is not configured, and {self._most} others that are not have"
                " come before it ([limits] symbols)",
            )
        self._placed.add(symbol)
        return True
