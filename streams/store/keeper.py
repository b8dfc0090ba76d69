"""Takes records into a store: the engines, what they publish, and what is to be written of it."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress

from tapeline.schemas.codec import RecordDecoder, decode_event, encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Output, Reject
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.core.correct.corrections import Correction
from tapeline.streams.core.engine import GroupEngine
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.core.rejection import RecordRejected
from tapeline.streams.core.volume import written_volume
from tapeline.streams.pipeline.admission import TOO_MANY
from tapeline.streams.pipeline.drive import Drive
from tapeline.streams.pipeline.planning import plan_group
from tapeline.streams.pipeline.provenance import IDENTITY, GroupIdentity, restore_engine
from tapeline.streams.pipeline.refusals import Refusal, dead_letter
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tapeline.streams.pipeline.state_values import decoded, encoded
from tapeline.streams.store.checkpoint import RunMark, Slot
from tapeline.streams.store.counts import StoreCounts
from tapeline.streams.store.database import Database
from tapeline.streams.store.layout import (
    LETTERS,
    SYMBOLS,
    StoreError,
    bar_key,
    bars_prefix,
    plan_key,
    rebuild_way,
    state_prefix,
    view_key,
    way_out,
)
from tapeline.streams.store.opened import OpenStore
from tapeline.streams.store.settings import earlier_settings, stored_plans
from tapeline.streams.store.step import StoreStep
from tapeline.streams.store.strategies import (
    NO_STRATEGIES,
    StoreHost,
    StoreStrategies,
    runs_strategies,
)

DIGEST_BYTES = 16
LEAST_AGAIN = 50_000
BEYOND_HORIZON = "beyond_horizon"
ADMITS_NONE = frozenset(
    {
        "decode_error",
        "schema_error",
        "ambiguous_time",
        "unknown_symbol",
        "wrong_partition",
        TOO_MANY,
    }
)
"""Codes of rows that are no records, and of records that do not admit their symbol."""
CLOCK_LINE = b'{"type":"clock"'


class Keeper:
    """Records in, a step to commit out.

    Parameters
    ----------
    store
        The open store.
    explain
        Called with every correction and its offset.
    least_again
        Bars that corrections may run again before a rebuild of the group is the better way; in a
        larger store as many as there are records.
    strategies
        Strategies to run, from where the store says on.

    Attributes
    ----------
    registry
        The types of the events, those of the store.
    router
        The engines, restored when a record of their group comes.
    rebuilds
        Groups to run again from their bars, as in the checkpoint.
    host
        The strategies that run; None: none.

    Raises
    ------
    StoreError
        When a group of the store was made with other settings, or on another schedule.
    """

    def __init__(
        self,
        config: Config,
        store: OpenStore,
        explain: Callable[[int, Correction], None] | None = None,
        least_again: int = LEAST_AGAIN,
        strategies: StoreStrategies = NO_STRATEGIES,
    ) -> None:
        self.config = config
        self.store = store
        self.registry = store.registry
        self.counts = StoreCounts(store.checkpoint.log_records, store.registry)
        self.rebuilds: dict[str, Slot | None] = dict(store.checkpoint.rebuilds)
        self.router = Router(config, self._slot, {0: stored_admissions(store.database)})
        self._drive = Drive(self.router)
        self.step = StoreStep(self.registry)
        self._explain = explain
        self._least_again = least_again
        self._decode = RecordDecoder().decode
        self._plans = stored_plans(store.checkpoint, store.database)
        self._next = store.checkpoint.log_records
        self._line: bytes | None = None
        for line in store.letters:
            self.step.letters[_letter_key(line)] = b""
            self._admit_again(line)
        self._identities: dict[str, GroupIdentity] = {}
        folder = store.folder
        self._earlier = earlier_settings(
            config, folder, self._plans, store.database, way_out(folder), self.registry
        )
        self.host: StoreHost | None = None
        if runs_strategies(strategies, store):
            self.host = StoreHost(config, strategies, store, self.router)

    def begin_strategies(self) -> None:
        """Commit what strategies made of the stored log that they begin with, if there is any.

        It comes before anything is taken, and of the run that wrote last nothing changes.
        """
        host = self.host
        if host is None or not host.must_commit:
            return
        for event in host.published:
            self.publish_hosted(event)
        host.published = []
        self.write([], self.store.checkpoint.run)

    def watched(self) -> AbstractContextManager[None]:
        """While it lasts, a call of a strategy that does not return ends the process."""
        return nullcontext() if self.host is None else self.host.watched()

    def stop_strategies(self) -> None:
        """Tear strategies down after the last commit."""
        if self.host is not None:
            self.host.stop()

    @property
    def changed(self) -> list[str]:
        """Groups that were made with fewer or other additions, until they are run again."""
        return sorted(self._earlier)

    def _config_of(self, group: str) -> Config:
        """What the stored state of a group was made with."""
        return self._earlier.get(group, self.config)

    def _slot(self, group: str) -> GroupSlot:
        """A group as the store has it."""
        return GroupSlot(group, self._engine(group))

    def _engine(self, group: str) -> GroupEngine:
        prefix = state_prefix(group)
        # Plain data without cycles: looking for some again and again costs more than reading.
        collecting = gc.isenabled()
        gc.disable()
        try:
            records = {
                key[len(prefix) :].decode(): decoded(value)
                for key, value in self.store.database.scan(prefix)
            }
            if not records:
                return GroupEngine(plan_group(self.config, group, self.registry))
            return restore_engine(
                self._config_of(group), group, self._plans.get(group), records, self.registry
            )
        except ValueError as error:
            folder = self.store.folder
            raise StoreError(f"{folder}: {error}; {rebuild_way(folder)}") from error
        finally:
            if collecting:
                gc.enable()

    def _admit_again(self, line: bytes) -> None:
        """Admit the symbol of a record that was refused: the log does not have it."""
        letter = decode_event(line)
        assert isinstance(letter, Reject)
        symbol = letter.symbol
        if symbol is None or letter.code in ADMITS_NONE:
            return
        if self.config.instrument(symbol) is not None:
            with suppress(RecordRejected):
                self.router.admission().admit(symbol, self._next)

    @property
    def pending(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.step) or self.router.admission().changed

    def pass_over(self, record: LogRecord) -> None:
        """Leave out a record that a later one replaces; it admits its symbol."""
        with suppress(RecordRejected):
            self.router.meet(record, self._next)

    def take(self, record: LogRecord) -> str:
        """Take a record; returns its outcome, one of `OUTCOMES`.

        What had no effect takes no offset in the log.

        Raises
        ------
        RecordRejected
            It must become a dead letter.
        """
        if self.rebuilds and self._is_deferred(record):
            self.router.check(record)
            kind = self._take_stored(record)
        else:
            try:
                kind = self._apply(record)
            except RecordRejected as error:
                if error.code != BEYOND_HORIZON:
                    raise
                kind = self._take_stored(record)
        self.counts.outcome(kind)
        return kind

    def _apply(self, record: LogRecord) -> str:
        """Hand a record to its engine, and publish its events."""
        outcome = self._drive.apply(record, self._next)
        if outcome.kind in ("duplicates", "idle"):
            if self._line is not None:
                # It has an offset in the log: a replay shows it to strategies, too.
                self._show(record, outcome, self._next)
            return outcome.kind
        self._note(record)
        correction = outcome.correction
        if correction is not None:
            self._count_again(correction)
            if self._explain is not None:
                self._explain(self._next - 1, correction)
        for event in outcome.events:
            self.publish(event)
        self._show(record, outcome, self._next - 1)
        return outcome.kind

    def _show(self, record: LogRecord, outcome: Outcome, offset: int) -> None:
        """Show strategies a record that was applied, and publish what they make of it."""
        if self.host is not None:
            group = self.config.group_of(record.symbol)
            for event in self.host.take(record, outcome, offset, group):
                self.publish_hosted(event)

    def _count_again(self, correction: Correction) -> None:
        """Leave further corrections to one rebuild when they have cost as much as it would."""
        counts = self.counts
        counts.bars_again += correction.bars_again
        if counts.bars_again > max(self._least_again, counts.records_before):
            self._defer(correction.symbol, correction.start_ms)

    def _is_deferred(self, record: LogRecord) -> bool:
        """Whether a record is about the past of a group that will be run again anyway.

        From then on the engine does not know the last version of every bar; the store does.
        """
        if isinstance(record, Clock) or self.config.instrument(record.symbol) is None:
            return False
        group = self.config.group_of(record.symbol)
        if group not in self.rebuilds:
            return False
        engine = self.router.group_engine(group)
        watermark_ms = engine.watermark_ms(record.symbol)
        if watermark_ms is None:
            return False
        return engine.slot_end_ms(record.symbol, record.start_ms) <= watermark_ms

    @property
    def next_offset(self) -> int:
        """Of the next record of the log."""
        return self._next

    def take_again(self, record: LogRecord, line: bytes) -> RecordRejected | None:
        """Take a record that the log has already: it keeps its offset, whatever becomes of it.

        Parameters
        ----------
        line
            Its line in the log.

        Returns
        -------
        RecordRejected | None
            Why it is refused, None if it is not.
        """
        refused: RecordRejected | None = None
        offset = self._next
        self._line = line
        try:
            self.take(record)
        except RecordRejected as error:
            refused = error
        finally:
            self._line = None
        if self._next == offset:
            self.pass_line(line)
        return refused

    def pass_line(self, line: bytes) -> int:
        """Give a line of the log that has no effect its offset, and return it."""
        self.step.add_record(line)
        self._next += 1
        return self._next - 1

    def _note(self, record: LogRecord) -> None:
        """Give a record its offset in the log."""
        line = encode(record)
        step = self.step
        # As it is in the log, at its offset there: the log is not written again.
        self.pass_line(line if self._line is None else self._line)
        if isinstance(record, Bar):
            step.bars[bar_key(record.symbol, record.start_ms)] = line
        elif isinstance(record, Cancel):
            step.bars[bar_key(record.symbol, record.start_ms)] = None

    def publish(self, event: Output, rebuilt: bool = False) -> None:
        """Add an event to the step."""
        key = view_key(event.id)
        facts = self.step.facts
        known = facts[key] if key in facts else self.store.database.get(key)
        self.counts.fact(event, known is not None, rebuilt or event.corrects is not None)
        self.step.add_event(event)

    def publish_hosted(self, event: HostEvent) -> None:
        """Add an event of strategies to the step."""
        self.counts.host_event(event)
        self.step.add_host_event(event)

    def _take_stored(self, record: LogRecord) -> str:
        """A bar or cancel that is compared with the stored bars, and left to a rebuild."""
        assert isinstance(record, Bar | Cancel)
        known = self.stored_bar(record.symbol, record.start_ms)
        if isinstance(record, Cancel):
            if known is None:
                return "idle"
            kind = "cancelled"
        elif known is None:
            kind = "late"
        elif content_of(known) == content_of(record):
            return "duplicates"
        else:
            kind = "changed"
        self._note(record)
        self._defer(record.symbol, record.start_ms)
        if self.host is not None:
            self.host.defer(record.symbol, record.start_ms, known)
        return kind

    def _defer(self, symbol: str, start_ms: int) -> None:
        """Run the group of a bar again when the run is over."""
        group = self.config.group_of(symbol)
        slot = (symbol, start_ms)
        # None means several bars.
        self.rebuilds[group] = slot if self.rebuilds.get(group, slot) == slot else None

    def stored_bar(self, symbol: str, start_ms: int) -> Bar | None:
        """Last version of a bar, None where there is none."""
        key = bar_key(symbol, start_ms)
        bars = self.step.bars
        line = bars[key] if key in bars else self.store.database.get(key)
        return None if line is None else self.decoded(line)

    def decoded(self, line: bytes) -> Bar:
        """A bar as the store keeps it."""
        bar = self._decode(line)
        assert isinstance(bar, Bar)
        return bar

    def refuse(self, source: str, raw: bytes, refusal: Refusal, path: str | None = None) -> None:
        """A record that is a dead letter; equal ones of earlier runs are not written again.

        Parameters
        ----------
        path
            Of the input whose row it is; None: it is no row.
        """
        letter = dead_letter(source, raw, refusal)
        self.counts.letter(letter, path)
        self.add_letter(letter)

    def add_letter(self, letter: Reject) -> None:
        """A dead letter, unless an equal one was written."""
        key = _letter_key(encode(letter))
        if key not in self.step.letters and self.store.database.get(key) is None:
            self.step.add_letter(key, letter)

    def commit(self, mark: RunMark | None, groups: Collection[str] | None = None) -> None:
        """Write what was taken since the last call.

        Parameters
        ----------
        groups
            Those that took a record since then; None: all that this process has taken.
        """
        states: list[tuple[bytes, bytes | None]] = []
        for group in self.router.engines if groups is None else groups:
            engine = self.router.group_engine(group)
            if engine.offset >= 0:
                states += self.states(group, engine)
        self.write(states, mark)

    def begin_again(self, group: str, engine: GroupEngine) -> None:
        """Another engine replaces a group's, and nothing of its state is stored."""
        self._earlier.pop(group, None)
        self._identities[group] = GroupIdentity(self.config, engine)

    def states(self, group: str, engine: GroupEngine) -> list[tuple[bytes, bytes | None]]:
        """Records of a group that changed since the last call: its state, and its identity."""
        known = self._identities.get(group)
        if known is None:
            known = GroupIdentity(self._config_of(group), engine, self._plans.get(group))
            self._identities[group] = known
        changed = engine.changed()
        record = known.changed_record()
        if record is not None:
            changed[IDENTITY] = record
        prefix = state_prefix(group)
        found: list[tuple[bytes, bytes | None]] = [
            (prefix + key.encode(), encoded(value)) for key, value in changed.items()
        ]
        plan = known.current()
        if plan != self._plans.get(group):
            self._plans[group] = plan
            found.append((plan_key(group), encoded(plan.stored())))
        return found

    def write(self, states: list[tuple[bytes, bytes | None]], mark: RunMark | None) -> None:
        """Write the step with other state records than those of the engines."""
        admitted = self.router.admission().taken()
        keys: list[tuple[bytes, bytes | None]] = [
            (SYMBOLS + symbol.encode(), encoded(offset)) for symbol, offset in admitted
        ]
        if self.host is not None:
            keys += self.host.changed()
        self.store.commit(self.step, [*states, *keys], mark, self.rebuilds)
        self.step = StoreStep(self.registry)

    def is_idle(self, clock: Clock) -> bool:
        """Whether a clock is at or before the watermark."""
        if self.config.instrument(clock.symbol) is None:
            return False
        engine = self.router.group_engine(self.config.group_of(clock.symbol))
        watermark_ms = engine.watermark_ms(clock.symbol)
        return watermark_ms is not None and clock.time_ms <= watermark_ms

    def bars(self, symbol: str, first_ms: int | None = None) -> Iterator[Bar]:
        """Committed bars of a symbol in order of labels, from a label on."""
        start = b"" if first_ms is None else bar_key(symbol, first_ms)
        for _, line in self.store.database.scan(bars_prefix(symbol), start):
            yield self.decoded(line)


def stored_admissions(database: Database) -> Iterator[str]:
    """Symbols that are not configured and were admitted."""
    for key, _ in database.scan(SYMBOLS):
        yield key[len(SYMBOLS) :].decode()


def _letter_key(line: bytes) -> bytes:
    return LETTERS + hashlib.blake2b(line, digest_size=DIGEST_BYTES).digest()


def content_of(bar: Bar) -> tuple[object, ...]:
    """What makes two bars of one slot different: prices and volume."""
    return (bar.open, bar.high, bar.low, bar.close, written_volume(bar.volume))
