"""Which symbols that are not configured a partition of the log takes: only so many.

Every symbol has an engine for good, so an input that makes up symbols would fill any memory. A
symbol that ``[instruments.default]`` takes is admitted with its first record, whatever becomes
of that, until its partition has ``[limits] symbols`` of them; all records of any further symbol are
dead letters ``too_many_symbols``. So the admitted symbols are a function of the log and the
configuration alone, in the order of their first offsets; who keeps a state keeps them with it.
Files and stores are one partition.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from tapeline.schemas.config.model import Config
from tapeline.schemas.records import LogRecord
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.planning import plan_group

TOO_MANY = "too_many_symbols"


class AdmittedSymbol(NamedTuple):
    """A symbol that is not configured and was admitted.

    Attributes
    ----------
    offset
        Source offset of its first record.
    """

    symbol: str
    offset: int


class StandIn:
    """The checks that need no state, of any symbol that the configuration does not name.

    Such symbols differ in nothing that is checked: one engine checks them all.
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
        """The plan, under the name of the symbol that is used for all."""
        return self._standing(symbol).plan.instruments[0]

    def _standing(self, symbol: str) -> GroupEngine:
        if self._engine is None:
            self._symbol = symbol
            self._engine = GroupEngine(plan_group(self._config, symbol))
        return self._engine


class Admission:
    """The admitted symbols of one partition.

    Parameters
    ----------
    symbols
        Those that are admitted already, in any order.

    Attributes
    ----------
    new
        Symbols that were admitted since the last call of `taken`, in their order.
    """

    def __init__(self, config: Config, symbols: Iterable[str] = ()) -> None:
        self._config = config
        self._most = config.limits.symbols
        # A symbol that was configured since then does not count any more.
        self._admitted = {symbol for symbol in symbols if not config.names(symbol)}
        self.new: list[AdmittedSymbol] = []

    def holds(self, symbol: str) -> bool:
        """Whether a symbol is configured or admitted."""
        return symbol in self._admitted or self._config.names(symbol)

    @property
    def changed(self) -> bool:
        """Whether symbols were admitted since the last call of `taken`."""
        return bool(self.new)

    def taken(self) -> list[AdmittedSymbol]:
        """Symbols that were admitted since the last call, in their order."""
        found, self.new = self.new, []
        return found

    def admit(self, symbol: str, offset: int) -> None:
        """Admit the symbol of a record if it needs that.

        Parameters
        ----------
        symbol
            One that is accepted, in the partition of its group.
        offset
            Source offset of the record.

        Raises
        ------
        RecordRejected
            When the limit is reached.
        """
        if self.holds(symbol):
            return
        if len(self._admitted) >= self._most:
            raise RecordRejected(
                "too_many_symbols",
                f"symbol {symbol!r} is not configured, and {self._most} others that are not have"
                " come before it ([limits] symbols)",
            )
        self._admitted.add(symbol)
        self.new.append(AdmittedSymbol(symbol, offset))
