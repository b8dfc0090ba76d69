"""State of a host as records that change one by one (docs/rules.md 19.15)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

from msgspec import Struct, ValidationError, convert, to_builtins

from tapeline.schemas.ids import split_state_key, state_key
from tapeline.streams.host.errors import HostStateError, OtherVersionError
from tapeline.streams.host.plain_data import MOST_MEMORY_BYTES, from_text, plain_text
from tapeline.streams.host.running import RunningStrategy
from tapeline.streams.host.trading import StrategyName, Trading
from tapeline.streams.host.view.rings import Ring
from tapeline.streams.host.view.view import ViewedSymbol

STATE_VERSION: Final = 1
HOST: Final = "host"
"""Key of the record that there always is."""
STRATEGY: Final = "strategy"
MEMORY: Final = "memory"
SIGNALS: Final = "signals"
FACTS: Final = "facts"
RING: Final = "ring"
OF_ONE_STRATEGY: Final = (STRATEGY, MEMORY, FACTS, RING)
ROWS: Final = "rows"


class HostHead(Struct, frozen=True):
    """What every record may change.

    Attributes
    ----------
    starting
        Strategies that begin at the next record.
    accepting
        Those of them that begin anew, and whose signals of before are closed.
    """

    v: int
    time_ms: int
    starting: tuple[str, ...]
    accepting: tuple[str, ...]


class StrategyRecord(Struct, frozen=True):
    """A strategy that has begun."""

    name: str
    account: str
    version: str
    unsafe: bool
    state: Literal["running", "faulted"]
    counts: dict[str, Any]


class RestoredHost(Struct, frozen=True):
    """What a state says of the strategies of a plan.

    Attributes
    ----------
    begun
        Names of those that it knows.
    starting, accepting
        As in `HostHead`.
    disabled
        Those that it knows and that the plan does not have.
    """

    begun: frozenset[str]
    starting: tuple[str, ...]
    accepting: tuple[str, ...]
    disabled: tuple[StrategyName, ...]


class HostState:
    """Writes and reads the state of a host."""

    def __init__(self, running: Mapping[str, RunningStrategy], trading: Trading) -> None:
        self._running = running
        self._trading = trading
        self._written: dict[str, Any] = {}
        self._dropped: list[str] = []

    def changed(
        self, starting: Collection[str], accepting: Collection[str], disabling: bool
    ) -> dict[str, Any]:
        """Records that differ since the last call; None: the record is gone.

        Parameters
        ----------
        disabling
            Whether strategies of before are still to be reported as disabled: their records stay.
        """
        trading = self._trading
        found: dict[str, Any] = {}
        if not disabling:
            found.update(dict.fromkeys(self._dropped))
            self._dropped = []
        head = HostHead(STATE_VERSION, trading.time_ms, tuple(starting), tuple(accepting))
        self._add(found, HOST, to_builtins(head))
        for name, running in self._running.items():
            if name not in starting or name in accepting:
                self._add(found, state_key(STRATEGY, name), to_builtins(_record_of(running)))
            text = plain_text(running.strategy.memory, MOST_MEMORY_BYTES, f"memory of {name}")
            self._add(found, state_key(MEMORY, name), text)
            for fact_id, fact in running.view.facts.changed().items():
                found[_key(FACTS, name, fact_id)] = fact
            for symbol, viewed in running.viewed.items():
                for ring_name, ring in _rings(viewed):
                    for part, data in ring.changed().items():
                        found[_key(RING, name, symbol, *ring_name, part)] = data
        for (name, signal_id), kept in trading.book.changed().items():
            found[_key(SIGNALS, name, signal_id)] = kept
        found.update(trading.accounts.changed())
        return found

    def _add(self, found: dict[str, Any], key: str, record: Any) -> None:
        if self._written.get(key) != record:
            self._written[key] = record
            found[key] = record

    def restore(self, records: Mapping[str, Any], accept: Collection[str]) -> RestoredHost:
        """Take the records; of strategies that are accepted, no more than signals and facts.

        Raises
        ------
        OtherVersionError
            When they are of another version of a strategy that is not accepted.
        HostStateError
            When some are missing, or do not go together.
        """
        try:
            return self._restored(records, accept)
        except KeyError as error:
            what = f"there is no {error.args[0]!r}"
        except (ValidationError, AttributeError, IndexError, TypeError) as error:
            what = f"its records do not go together ({type(error).__name__}: {error})"
        raise HostStateError(f"the state of the host is incomplete: {what}")

    def _restored(self, records: Mapping[str, Any], accept: Collection[str]) -> RestoredHost:
        head = convert(records[HOST], HostHead)
        if head.v != STATE_VERSION:
            raise HostStateError(f"the host's state has version {head.v}, not {STATE_VERSION}")
        self._trading.time_ms = head.time_ms
        parts: dict[str, dict[str, Any]] = {}
        for key, record in records.items():
            kind, rest = split_state_key(key)
            parts.setdefault(kind, {})[rest] = record
        known = {
            name: convert(record, StrategyRecord)
            for name, record in parts.get(STRATEGY, {}).items()
        }
        self._check_versions(known, accept)
        for name, record in known.items():
            running = self._running.get(name)
            if running is not None:
                self._restore_one(running, record, parts, name in accept)
        self._drop_strangers(parts, known)
        self._restore_signals(parts.get(SIGNALS, {}))
        self._trading.accounts.restore(records)
        for key, record in records.items():
            if split_state_key(key)[0] in {HOST, STRATEGY, MEMORY}:
                self._written[key] = record
        return RestoredHost(
            frozenset(known),
            head.starting,
            head.accepting,
            tuple(
                StrategyName(record.name, record.account, record.version, record.unsafe)
                for name, record in known.items()
                if name not in self._running
            ),
        )

    def _check_versions(self, known: Mapping[str, StrategyRecord], accept: Collection[str]) -> None:
        others = []
        for name, record in known.items():
            running = self._running.get(name)
            if running is not None and name not in accept:
                version = running.loaded.version
                if record.version != version:
                    others.append((name, record.version, version))
        if others:
            shown = ", ".join(f"{name} of {was}, now {now}" for name, was, now in others)
            raise OtherVersionError(
                tuple(name for name, _, _ in others),
                f"the state is of another version of strategies: {shown}. Go back to what it was"
                " made with, or begin them anew: their signals are closed, their memory is empty"
                f" (--accept {','.join(name for name, _, _ in others)})",
            )

    def _restore_one(
        self,
        running: RunningStrategy,
        record: StrategyRecord,
        parts: Mapping[str, Mapping[str, Any]],
        is_accepted: bool,
    ) -> None:
        name = running.name
        facts = [
            data for key, data in parts.get(FACTS, {}).items() if split_state_key(key)[0] == name
        ]
        running.view.facts.restore(facts)
        if is_accepted:
            return
        running.is_running = record.state == "running"
        running.restore_counts(record.counts)
        running.strategy.memory = from_text(parts[MEMORY][name])
        rings = parts.get(RING, {})
        for symbol, viewed in running.viewed.items():
            for ring_name, ring in _rings(viewed):
                prefix = _key(name, symbol, *ring_name, "")
                stored = {
                    key.removeprefix(prefix): data
                    for key, data in rings.items()
                    if key.startswith(prefix)
                }
                if stored:
                    ring.restore(stored)

    def _drop_strangers(
        self, parts: Mapping[str, Mapping[str, Any]], known: Mapping[str, StrategyRecord]
    ) -> None:
        """Records of strategies that the plan does not have leave the state."""
        for kind in OF_ONE_STRATEGY:
            for rest in parts.get(kind, {}):
                name = split_state_key(rest)[0]
                if name in known and name not in self._running:
                    self._dropped.append(state_key(kind, rest))

    def _restore_signals(self, records: Mapping[str, Any]) -> None:
        """Signals of symbols and accounts that the plan still has; the others are over."""
        kept = []
        for key, data in records.items():
            if self._trading.follows(data["event"]["account"], data["event"]["symbol"]):
                kept.append(data)
            else:
                self._dropped.append(state_key(SIGNALS, key))
        self._trading.book.restore(kept)


def _record_of(running: RunningStrategy) -> StrategyRecord:
    loaded = running.loaded
    return StrategyRecord(
        loaded.name,
        loaded.account,
        loaded.version,
        loaded.unsafe,
        "running" if running.is_running else "faulted",
        running.counts(),
    )


def _rings(viewed: ViewedSymbol) -> list[tuple[tuple[str, ...], Ring[Any]]]:
    """Rings of a symbol, each by what names it among them."""
    found: list[tuple[tuple[str, ...], Ring[Any]]] = []
    if viewed.base_bars is not None:
        found.append(((viewed.base,), viewed.base_bars))
    found += [((interval,), ring) for interval, ring in viewed.bars.items()]
    found += [((ROWS, interval), ring) for interval, ring in viewed.rows.items()]
    return found


def _key(*parts: str) -> str:
    key = parts[-1]
    for part in reversed(parts[:-1]):
        key = state_key(part, key)
    return key
