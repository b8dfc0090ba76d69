"""Which group takes a record: one engine a group, made when its first record comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tapeline.schemas.config.model import Config
from tapeline.schemas.event_types import Registry
from tapeline.schemas.instants import MINUTE_MS
from tapeline.schemas.intervals import parse_interval
from tapeline.schemas.records import LogRecord
from tapeline.schemas.registry import EVENTS
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.pipeline.admission import Admission, StandIn
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.slots import GroupSlot
from tapeline.streams.pipeline.status import SessionSoFar, session_index, session_so_far


class Router:
    """The groups that a configuration and its input name.

    Parameters
    ----------
    make
        Gives the slot of a group when its first record comes; None: one with a new engine.
    admitted
        By partition, symbols that are not configured and admitted already; see `Admission`.
    partition_of
        Gives the partition that the records of a group belong in, None where they may lie anywhere;
        None: there is one partition.
    registry
        The types of the events of new engines.

    Attributes
    ----------
    slots
        By group id, in the order in which their first records came.
    """

    def __init__(
        self,
        config: Config,
        make: Callable[[str], GroupSlot] | None = None,
        admitted: Mapping[int, Iterable[str]] | None = None,
        partition_of: Callable[[str], int | None] | None = None,
        registry: Registry = EVENTS,
    ) -> None:
        self.slots: dict[str, GroupSlot] = {}
        self._registry = registry
        self._config = config
        self._make = self._new_slot if make is None else make
        self._partition_of = partition_of
        self._by_symbol: dict[str, GroupSlot] = {}
        self._unnamed = StandIn(config)
        self._checked: set[str] = set()
        self._admissions = {
            partition: Admission(config, symbols) for partition, symbols in (admitted or {}).items()
        }

    @property
    def config(self) -> Config:
        """The configuration."""
        return self._config

    @property
    def engines(self) -> dict[str, GroupEngine]:
        """Engines by group id, in the order in which their first records came."""
        return {group: slot.engine for group, slot in self.slots.items() if slot.engine is not None}

    def _home(self, group: str) -> int | None:
        return None if self._partition_of is None else self._partition_of(group)

    def find(self, record: LogRecord, offset: int, partition: int = 0) -> GroupSlot:
        """The group of a record; its symbol is admitted then.

        Raises
        ------
        RecordRejected
            ``unknown_symbol`` when no instrument is configured for it, ``wrong_partition`` when it
            belongs in another one, ``too_many_symbols`` when the limit is reached.
        """
        symbol = record.symbol
        slot = self._by_symbol.get(symbol)
        if slot is None or slot.partition != partition:
            self.meet(record, offset, partition)
            slot = self._by_symbol[symbol] = self.slot(self._config.group_of(symbol))
        return slot

    def meet(self, record: LogRecord, offset: int, partition: int = 0) -> None:
        """Admit the symbol of a record though the record itself is not applied.

        Raises
        ------
        RecordRejected
            As `find` does.
        """
        symbol = record.symbol
        self._refuse_unknown(symbol)
        self.refuse_wrong_partition(symbol, partition)
        self.admission(partition).admit(symbol, offset)

    def admission(self, partition: int = 0) -> Admission:
        """The admitted symbols of a partition."""
        found = self._admissions.get(partition)
        if found is None:
            found = self._admissions[partition] = Admission(self._config)
        return found

    def refuse_wrong_partition(self, symbol: str, partition: int) -> None:
        """Refuse a record that lies in another partition than those of its group belong in.

        Raises
        ------
        RecordRejected
            ``wrong_partition``.
        """
        group = self._config.group_of(symbol)
        home = self._home(group)
        if home is not None and home != partition:
            raise RecordRejected(
                "wrong_partition",
                f"records of group {group} belong in partition {home}, not {partition}",
            )

    def check(self, record: LogRecord) -> None:
        """Check what does not depend on earlier records; see `GroupEngine.check`.

        It admits no symbol.
        """
        engine = self._for_checks(record.symbol)
        if engine is None:
            self._unnamed.check(record)
        else:
            engine.check(record)

    def _for_checks(self, symbol: str) -> GroupEngine | None:
        """Engine that checks records of a symbol; None: one is shared by all that have none."""
        slot = self._by_symbol.get(symbol)
        if slot is None:
            self._refuse_unknown(symbol)
            if not self._config.names(symbol):
                self._checked.add(symbol)
                return None
            slot = self._by_symbol[symbol] = self.slot(self._config.group_of(symbol))
        return slot.engine

    def _refuse_unknown(self, symbol: str) -> None:
        if self._config.instrument(symbol) is None:
            raise RecordRejected("unknown_symbol", f"symbol {symbol!r} is not configured")

    def _new_slot(self, group: str) -> GroupSlot:
        return GroupSlot(group, GroupEngine(plan_group(self._config, group, self._registry)))

    def symbols(self) -> list[str]:
        """Symbols that had a record, by name; without those that were too many."""
        return sorted(self._by_symbol)

    def met(self) -> set[str]:
        """Symbols that had a record, and those of which one was only checked."""
        return {*self._by_symbol, *self._checked}

    def plan(self, symbol: str) -> InstrumentPlan:
        """Plan of a symbol that is accepted; of one that is not configured, under another name."""
        engine = self._for_checks(symbol)
        if engine is None:
            return self._unnamed.plan(symbol)
        return next(each for each in engine.plan.instruments if each.symbol == symbol)

    def counters(self, symbol: str) -> dict[str, int]:
        """What became of the records of a symbol that had a record; see `GroupEngine.counters`."""
        return self.group_engine(self._by_symbol[symbol].group).counters(symbol)

    def swings_by_class(self, symbol: str) -> dict[int, int]:
        """Swings of a symbol that had a record; see `GroupEngine.swings_by_class`."""
        return self.group_engine(self._by_symbol[symbol].group).swings_by_class(symbol)

    def session_so_far(self, symbol: str) -> SessionSoFar | None:
        """The session of the watermark of a symbol that had a record, as of its watermark."""
        plan = self.plan(symbol)
        engine = self.group_engine(self._by_symbol[symbol].group)
        watermark_ms = engine.watermark_ms(symbol)
        index = None if watermark_ms is None else session_index(plan.calendar, watermark_ms)
        if watermark_ms is None or index is None:
            return None
        bars = engine.bars_from(symbol, plan.calendar.open_ms(index))
        return session_so_far(plan.calendar, plan.base_ms, watermark_ms, bars)

    def _engine_of(self, symbol: str) -> GroupEngine | None:
        slot = self._by_symbol.get(symbol)
        return None if slot is None else slot.engine

    def held(self, symbol: str) -> GroupEngine | None:
        """Engine of a symbol that is configured or admitted; None of any other."""
        group = self._config.group_of(symbol)
        holds = any(each.holds(symbol) for each in self._admissions.values())
        return self.group_engine(group) if holds or self._config.names(symbol) else None

    def slot(self, group: str) -> GroupSlot:
        """Slot of a group; made if no record has come yet."""
        slot = self.slots.get(group)
        if slot is None:
            slot = self.slots[group] = self._make(group)
            slot.partition = self._home(group) or 0
        return slot

    def group_engine(self, group: str) -> GroupEngine:
        """Engine of a group that has one; made if no record has come yet."""
        engine = self.slot(group).engine
        assert engine is not None
        return engine

    def replace(self, group: str, engine: GroupEngine) -> None:
        """Replace the engine of a group."""
        self.slot(group).engine = engine

    def base_of(self, symbol: str) -> str:
        """Base interval of a symbol; 1m for one that will be refused."""
        instrument = self._config.instrument(symbol)
        return "1m" if instrument is None else instrument.base

    def slot_end_ms(self, symbol: str, start_ms: int) -> int:
        """End of the bar of a symbol with a label, for ordering inputs."""
        engine = self._engine_of(symbol)
        if engine is None:
            try:
                engine = self._for_checks(symbol)
            except RecordRejected:
                return start_ms + MINUTE_MS
            if engine is None:
                return self._unnamed.slot_end_ms(symbol, start_ms)
        return engine.slot_end_ms(symbol, start_ms)


class SlotEnds:
    """Ends of bars; for minutes a sum, because every session's edge is a whole minute.

    Attributes
    ----------
    lengths
        By symbol, for bases up to a minute.
    """

    def __init__(self, router: Router) -> None:
        self.lengths: dict[str, int] = {}
        self._router = router

    def __call__(self, symbol: str, start_ms: int) -> int:
        """End of the bar of a symbol with a label."""
        length = self.lengths.get(symbol)
        if length is not None:
            return start_ms + length
        length = parse_interval(self._router.base_of(symbol)).length_ms
        if length <= MINUTE_MS:
            self.lengths[symbol] = length
            return start_ms + length
        return self._router.slot_end_ms(symbol, start_ms)
