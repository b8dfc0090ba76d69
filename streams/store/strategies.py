"""The strategies of a store: what they make of each record lies in the step of that record.

Their state is written in the batch of the commit, under a prefix of its own: of a run that was
killed either all of it counts or nothing does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import islice
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tapeline.schemas.codec import RecordDecoder, encode
from tapeline.schemas.config.model import Config
from tapeline.schemas.events import Output
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.ids import split_state_key, state_key
from tapeline.schemas.instants import OUTPUTS_PER_RECORD
from tapeline.schemas.records import Bar, Clock, LogRecord
from tapeline.streams.core.correct.corrections import Change, Correction
from tapeline.streams.core.outcome import Outcome
from tapeline.streams.errors import InputError
from tapeline.streams.hang import ended_when_hanging
from tapeline.streams.host.driving import HostDriver
from tapeline.streams.host.errors import HostStateError
from tapeline.streams.host.host import REBUILT
from tapeline.streams.host.loading import enabled_strategies, load_strategies
from tapeline.streams.host.market import HostRecord
from tapeline.streams.host.plan import FILES_BASE, LoadedStrategy
from tapeline.streams.host.state import HOST as HEAD
from tapeline.streams.host.state import STRATEGY
from tapeline.streams.pipeline.drive import Drive, Item
from tapeline.streams.pipeline.refusals import Refusal
from tapeline.streams.pipeline.routing import Router
from tapeline.streams.pipeline.slots import GroupSlot
from tapeline.streams.pipeline.state_values import decoded, encoded
from tapeline.streams.store.layout import (
    HOST,
    LOG_FILE,
    REBUILT_AT,
    StoreDamagedError,
    StoreError,
    rebuild_way,
)
from tapeline.streams.store.opened import OpenStore

OF_STORE: Final = "store"
"""First part of the keys that are none of the host: what a rebuild will need."""
_REBUILT: Final = REBUILT_AT[len(HOST) :].decode()
DELETED: Final = object()
"""Value of a key of a store's own that is gone: None is that of a bar which was not there."""
_BAR: Final = "bar"
_ACCOUNT: Final = "account"

Deferred = tuple[str, int, Bar | None]
"""A bar that a rebuild will change: symbol, label, and what it was before."""


class StoreStrategies(Struct, frozen=True):
    """Strategies that a store is to run.

    Attributes
    ----------
    loaded
        By name.
    accepted
        Those that begin anew where they have failed, or the store knows another version of them.
    """

    loaded: tuple[LoadedStrategy, ...] = ()
    accepted: tuple[str, ...] = ()


NO_STRATEGIES: Final = StoreStrategies()


def configured_strategies(config: Config, accepted: Collection[str] = ()) -> StoreStrategies:
    """The strategies of a configuration that are enabled, loaded and checked.

    Raises
    ------
    InputError
        When one that is to be accepted is none of them.
    StrategyLoadError, SetupError
        When one cannot be loaded, or cannot run as it is configured.
    """
    names = enabled_strategies(config)
    for name in accepted:
        if name not in names:
            known = ", ".join(names) or "none"
            raise InputError(f"--accept {name}: is no enabled strategy; there are {known}")
    return StoreStrategies(load_strategies(config, names), tuple(accepted))


class GroupRebuild(Struct, frozen=True):
    """What a rebuild of a group led to.

    Attributes
    ----------
    watermarks
        Of the symbols of the group that have one.
    offset
        Of the clock in the log that stands for it.
    changes, events
        What changed, and what was published of each.
    """

    group: str
    watermarks: dict[str, int]
    offset: int
    changes: list[Change]
    events: list[Output]


class StoreHost:
    """The strategies of a store, over the engines that take its records.

    Parameters
    ----------
    strategies
        What is to run.
    store
        The open store.
    router
        Of the engines.

    Attributes
    ----------
    published
        Events of the stored log that strategies were run over first, in their order; to be
        committed before anything else.
    must_commit
        Whether there is a state to write although no record came.

    Raises
    ------
    StoreError
        When a strategy is to begin with the log, and its account has traded before.
    OtherVersionError
        When the store knows another version of a strategy, and it is not accepted.
    StoreDamagedError
        When its state cannot be used.
    """

    def __init__(
        self, config: Config, strategies: StoreStrategies, store: OpenStore, router: Router
    ) -> None:
        self._config = config
        self._folder = store.folder
        self._records = stored_records(store)
        self._deferred = _deferred_in(self._records)
        self._changes: dict[str, Any] = {}
        self.published: list[HostEvent] = []
        loaded = strategies.loaded
        late = self._from_log(loaded) if store.checkpoint.log_records else []
        if late:
            self._run_log(late, store.checkpoint.log_records)
        self._driver = HostDriver(config, loaded, router)
        known = {key: each for key, each in self._records.items() if not _is_of_store(key)}
        self._is_ending = not loaded
        accepted = self._to_accept(strategies)
        if known:
            try:
                self._driver.host.restore(known, accepted)
            except HostStateError as error:
                way = rebuild_way(self._folder)
                raise StoreDamagedError(f"{self._folder}: {error}; {way}") from error
        self.must_commit = bool(self.published or self._changes or accepted)
        # Strategies see the symbols of all their groups, whichever has the next record.
        for group in self._driver.host.groups:
            router.group_engine(group)

    def _to_accept(self, strategies: StoreStrategies) -> list[str]:
        """Those of the accepted ones that the store has as failed, or of another version."""
        found = []
        for each in strategies.loaded:
            record = self._records.get(state_key(STRATEGY, each.name))
            if each.name not in strategies.accepted or record is None:
                continue
            if record["state"] != "running" or record["version"] != each.version:
                found.append(each.name)
        return found

    def _from_log(self, loaded: Sequence[LoadedStrategy]) -> list[LoadedStrategy]:
        """Strategies that are new to the store and begin with its log."""
        head = self._records.get(HEAD)
        waiting = () if head is None else head["starting"]
        found = []
        for each in loaded:
            table = self._config.strategies[each.name]
            is_known = state_key(STRATEGY, each.name) in self._records or each.name in waiting
            if is_known or table.begin != "log":
                continue
            if any(_is_of_account(key, each.account) for key in self._records):
                raise StoreError(
                    f'strategy {each.name}: begin = "log", and account {each.account} of'
                    f" {self._folder} has traded already; give the strategy an account of its own,"
                    f" or {rebuild_way(self._folder)}"
                )
            found.append(each)
        return found

    def _run_log(self, loaded: Sequence[LoadedStrategy], records: int) -> None:
        """Run strategies over the stored log, as a replay of it does."""
        router = Router(self._config)
        driver = HostDriver(self._config, loaded, router)
        found = _LogRun(driver)
        with (self._folder / LOG_FILE).open("rb") as lines:
            items = (
                (offset, line.removesuffix(b"\n"), 0)
                for offset, line in enumerate(islice(lines, records))
            )
            with ended_when_hanging([driver], self._config.host.hang_seconds):
                Drive(router).apply_many(items, found)
        self.published = found.events
        changed = {key: each for key, each in driver.host.changed().items() if each is not None}
        head, before = changed[HEAD], self._records.get(HEAD)
        if before is not None:
            head = {
                **head,
                "time_ms": max(head["time_ms"], before["time_ms"]),
                "starting": sorted({*head["starting"], *before["starting"]}),
                "accepting": list(before["accepting"]),
            }
        # As it is read back.
        self._changes = decoded(encoded({**changed, HEAD: head}))
        self._records.update(self._changes)

    def watched(self) -> AbstractContextManager[None]:
        """While it lasts, a call of a strategy that does not return ends the process."""
        return ended_when_hanging([self._driver], self._config.host.hang_seconds)

    def take(self, record: LogRecord, outcome: Outcome, offset: int, group: str) -> list[HostEvent]:
        """What strategies make of a record that was applied, numbered by its offset."""
        driver = self._driver
        if self._is_ending:
            self._is_ending = False
            return driver.host.start(offset, 0, offset)
        return driver.take((offset, record, 0), record, outcome, group)

    # Groups that are run again.

    def defer(self, symbol: str, start_ms: int, before: Bar | None) -> None:
        """A bar changed that the engine does not remember: a rebuild will show what follows."""
        slot = (symbol, start_ms)
        if self._is_followed(symbol) and slot not in self._deferred:
            self._deferred[slot] = before
            key = _bar_key(symbol, start_ms)
            self._changes[key] = None if before is None else encode(before).decode()

    def _is_followed(self, symbol: str) -> bool:
        return self._config.group_of(symbol) in self._driver.host.groups

    def rebuilt(
        self, rebuild: GroupRebuild, after: Mapping[tuple[str, int], Bar | None]
    ) -> list[HostEvent]:
        """What a group that was run again leads to: notes alone, no call.

        Parameters
        ----------
        rebuild
            What it published.
        after
            The bars of `waiting_bars`, as they are now.
        """
        driver, found = self._driver, []
        if rebuild.group not in driver.host.groups:
            return []
        bars = [
            (symbol, start_ms, before)
            for (symbol, start_ms), before in sorted(self._deferred.items(), key=_by_slot)
            if self._config.group_of(symbol) == rebuild.group
        ]
        for record in _rebuilt_records(rebuild, bars, after):
            found += driver.host.take(record)
        for symbol, start_ms, _ in bars:
            del self._deferred[symbol, start_ms]
            self._changes[_bar_key(symbol, start_ms)] = DELETED
        offsets = [*self._records.get(_REBUILT, []), rebuild.offset]
        self._records[_REBUILT] = self._changes[_REBUILT] = offsets
        # Several records of the host are one of the log.
        first = rebuild.offset * OUTPUTS_PER_RECORD + FILES_BASE
        return [replace(event, seq=seq) for seq, event in enumerate(found, first)]

    def waiting_bars(self, group: str) -> list[tuple[str, int]]:
        """Symbol and label of the bars of a group that wait for a rebuild."""
        return [slot for slot in self._deferred if self._config.group_of(slot[0]) == group]

    def stop(self) -> None:
        """The process ends: strategies are torn down, and what they raise then changes nothing."""
        with suppress(Exception):
            self._driver.host.stop()

    def changed(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Records of the database that differ since the last call.

        Raises
        ------
        MemoryRefusedError
            When the memory of a strategy is no plain data.
        """
        changed = self._driver.host.changed()
        own, self._changes = self._changes, {}
        self.must_commit = False
        # What the host has changed since is later than what it began with.
        for key, value in own.items():
            if _is_of_store(key) or key not in changed:
                yield _key(key), None if value is DELETED else encoded(value)
        for key, value in changed.items():
            yield _key(key), None if value is None else encoded(value)


def _rebuilt_records(
    rebuild: GroupRebuild,
    bars: Sequence[Deferred],
    after: Mapping[tuple[str, int], Bar | None],
) -> Iterator[HostRecord]:
    """The records that show a host a rebuild, by symbol: facts with the first bar, then others."""
    symbols = sorted(rebuild.watermarks)
    home = bars[0][0] if bars else symbols[0]
    for symbol in symbols:
        events: list[Output] = []
        changes: list[Change] = []
        for change, event in zip(rebuild.changes, rebuild.events, strict=True):
            # A pair is of its group.
            of = event.symbol if event.symbol in rebuild.watermarks else home
            if of == symbol:
                events.append(event)
                changes.append(change)
        corrections: list[Correction | None] = []
        for _, start_ms, before in (bar for bar in bars if bar[0] == symbol):
            changed = Correction(symbol, start_ms, before, after[symbol, start_ms])
            changed.changes, changes = changes, []
            corrections.append(changed)
        for correction in corrections or ([None] if events else []):
            watermark_ms = rebuild.watermarks[symbol]
            yield HostRecord(
                rebuild.offset,
                0,
                rebuild.offset,
                Clock(symbol, watermark_ms),
                rebuild.group,
                REBUILT,
                events,
                correction,
                watermark_ms,
            )
            events = []


class _LogRun:
    """Strategies over a log that is stored; what is refused there does not reach them."""

    every = True

    def __init__(self, driver: HostDriver) -> None:
        self.events: list[HostEvent] = []
        self._driver = driver

    def took(self, item: Item, slot: GroupSlot, record: LogRecord, outcome: Outcome) -> bool:
        """A record of the log."""
        self.events += self._driver.take(item, record, outcome, slot.group)
        return True

    def refused(self, item: Item, refusal: Refusal) -> None:
        """Nothing follows from it."""

    def passed(self, item: Item) -> None:
        """The engines are new."""

    def resumes(self, slot: GroupSlot) -> None:
        """Nothing is held."""


def stored_records(store: OpenStore) -> dict[str, Any]:
    """All records of strategies of a store, by their keys."""
    return {key[len(HOST) :].decode(): decoded(value) for key, value in store.database.scan(HOST)}


def runs_strategies(strategies: StoreStrategies, store: OpenStore) -> bool:
    """Whether a store has strategies to run, or to report as disabled."""
    prefix = _key(state_key(STRATEGY, ""))
    return bool(strategies.loaded) or any(True for _ in store.database.scan(prefix))


def _key(key: str) -> bytes:
    return HOST + key.encode()


def _is_of_store(key: str) -> bool:
    return split_state_key(key)[0] == OF_STORE


def _is_of_account(key: str, account: str) -> bool:
    kind, rest = split_state_key(key)
    return kind == _ACCOUNT and split_state_key(rest)[0] == account


def _bar_key(symbol: str, start_ms: int) -> str:
    return state_key(OF_STORE, state_key(_BAR, state_key(symbol, str(start_ms))))


def _deferred_in(records: Mapping[str, Any]) -> dict[tuple[str, int], Bar | None]:
    decode = RecordDecoder().decode
    found: dict[tuple[str, int], Bar | None] = {}
    for key, line in records.items():
        kind, rest = split_state_key(key)
        if kind != OF_STORE or key == _REBUILT:
            continue
        symbol, start_ms = split_state_key(split_state_key(rest)[1])
        bar = None if line is None else decode(line.encode())
        assert bar is None or isinstance(bar, Bar)
        found[symbol, int(start_ms)] = bar
    return found


def _by_slot(item: tuple[tuple[str, int], Bar | None]) -> tuple[str, int]:
    return item[0]
