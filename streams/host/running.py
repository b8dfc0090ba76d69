"""One strategy of a host: its instance, its view, and what its calls emitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from msgspec import Struct

from tapeline.schemas.config.model import Config
from tapeline.schemas.events import DerivedBar, Event, Indicators, Retract, type_of
from tapeline.schemas.host_events import IssuedSignal, TimeInForce
from tapeline.schemas.ids import parsed_id, signal_id
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar
from tapeline.streams.host.accounts.model import Holding
from tapeline.streams.host.emission import Issue, TradedSymbol, is_reason, issued
from tapeline.streams.host.errors import SignalError
from tapeline.streams.host.needs import Needs, Setup
from tapeline.streams.host.now import Now
from tapeline.streams.host.plan import LoadedStrategy
from tapeline.streams.host.signal import Signal
from tapeline.streams.host.strategy import Strategy
from tapeline.streams.host.view.rings import Ring
from tapeline.streams.host.view.view import View, ViewedSymbol

FEWEST_ROWS: Final = 2
"""Rows of indicators that are kept where no bars of their interval are named."""
MOST_SIGNALS: Final = 1_000
"""Signals of a strategy in one record."""
LATEST_PARTS: Final = 1
"""What distinguishes the one row of ``publish = "latest"``: its interval."""


class IssueContext(Protocol):
    """What a strategy does not know of the record under way."""

    def now_ms(self) -> int:
        """Market time."""
        ...

    def watermark_ms(self, symbol: str) -> int | None:
        """Watermark of a symbol."""
        ...

    def session_of(self, symbol: str, instant_ms: int) -> str | None:
        """ISO date of the session that holds an instant, or of the next one."""
        ...

    def traded(self, symbol: str) -> TradedSymbol:
        """What signals of a symbol are checked with."""
        ...

    def is_issued(self, strategy: str, signal: str) -> bool:
        """Whether a signal is that strategy's, and issued."""
        ...

    def position(self, account: str, symbol: str) -> Holding:
        """What an account holds of a symbol."""
        ...

    def issued_by(self, strategy: str, symbol: str | None) -> list[IssuedSignal]:
        """Issued signals of a strategy, of a symbol or of all, oldest first."""
        ...

    def mark(self) -> None:
        """Mark the record."""
        ...


class Emitted(Struct, frozen=True):
    """What a call did, in its order.

    Attributes
    ----------
    closes
        Id of the signal that it closes; None: none.
    reason
        Of the entry order that is cancelled with it.
    signal
        The new signal; None: there is none.
    tif
        Of its entry order.
    """

    closes: str | None = None
    reason: str = ""
    signal: IssuedSignal | None = None
    tif: TimeInForce = "session"


class RunningStrategy:
    """A strategy that is called, and takes what it emits.

    Attributes
    ----------
    symbols
        Those that it is called for.
    is_running
        Whether it is called.
    failure
        Why the call under way fails, though it may go on.
    emitted
        What the call under way did.
    is_ending
        Whether nothing can be emitted any more.
    at
        What its hooks are called with.
    """

    def __init__(self, loaded: LoadedStrategy, config: Config, context: IssueContext) -> None:
        self.loaded = loaded
        self.name = loaded.name
        self.needs: Needs = loaded.needs
        self.symbols = tuple(loaded.needs.symbols) or loaded.symbols
        self.is_running = True
        self.is_ending = False
        self.failure: Exception | None = None
        self.emitted: list[Emitted] = []
        self._config = config
        self._context = context
        self._issue_ms = FAR_PAST_MS
        self._counts: dict[str, int] = {}
        self._coming: dict[str, bool] = {}
        self._in_record = 0
        self._step = -1
        kind = loaded.make
        self.hears_bar = kind.on_bar is not Strategy.on_bar
        self.hears_bars = kind.on_bars is not Strategy.on_bars
        self.hears_event = kind.on_event is not Strategy.on_event
        self.hears_session = kind.on_session is not Strategy.on_session
        self._types = frozenset(self.needs.events)
        self._keeps_facts = bool(self.needs.events or self.needs.windows)
        self.viewed: dict[str, ViewedSymbol] = {}
        self.view = View(self.name, self.needs, self.viewed)
        self.begin()

    def begin(self) -> None:
        """Begin with empty memory and view."""
        loaded = self.loaded
        self.viewed = {symbol: self._new_symbol(symbol) for symbol in self.symbols}
        self.intervals = frozenset(self.needs.bars) | {
            interval for viewed in self.viewed.values() for interval in viewed.rows
        }
        facts = self.view.facts
        self.view = View(self.name, self.needs, self.viewed)
        self.view.facts.replace(facts)
        self.view.connect(self._position, self._signals, self._watermark)
        self.at = Now(self, self.view)
        self.strategy = loaded.make()
        self.strategy.memory = {}
        self.strategy.setup(Setup(loaded.name, loaded.symbols, dict(loaded.settings), self._config))
        self._issue_ms = FAR_PAST_MS
        self._counts = {}

    def _new_symbol(self, symbol: str) -> ViewedSymbol:
        config, needs = self._config, self.needs
        instrument = config.instrument(symbol)
        assert instrument is not None, "needs were checked"
        traded = self._context.traded(symbol)
        viewed = ViewedSymbol(instrument.base, config.group_of(symbol), traded.end_of)
        for interval, count in needs.bars.items():
            if interval == instrument.base:
                viewed.base_bars = Ring(Bar, count)
            else:
                viewed.bars[interval] = Ring(DerivedBar, count)
        for each in config.indicators_for(instrument):
            keys = [key for made in each.specifications for key in made.keys(each.interval)]
            named = [key for key in keys if key in needs.indicators]
            if named:
                viewed.interval_of.update(dict.fromkeys(named, each.interval))
                count = max(FEWEST_ROWS, needs.bars.get(each.interval, 0))
                viewed.rows[each.interval] = Ring(Indicators, count)
                viewed.growing[each.interval] = each.publish == "latest"
        return viewed

    def _position(self, symbol: str) -> Holding:
        return self._context.position(self.loaded.account, symbol)

    def _signals(self, symbol: str | None) -> list[IssuedSignal]:
        return self._context.issued_by(self.name, symbol)

    def _watermark(self, symbol: str) -> int | None:
        return self._context.watermark_ms(symbol)

    def own_symbol(self, symbol: str, group: str) -> str:
        """A symbol, or the first of this strategy in its group where it does not follow it."""
        if symbol in self.viewed:
            return symbol
        return min([each for each, viewed in self.viewed.items() if viewed.group == group])

    def own(self, symbol: str, group: str) -> ViewedSymbol:
        """What the view holds of `own_symbol`."""
        return self.viewed[self.own_symbol(symbol, group)]

    # What the record brings.

    def see_correction(self, viewed: ViewedSymbol, start_ms: int, bar: Bar | None) -> None:
        """A base bar of a session came late, was changed or cancelled."""
        ring = viewed.base_bars
        if ring is None:
            return
        if bar is None:
            ring.remove(start_ms)
        else:
            ring.put(bar)

    def see_event(self, viewed: ViewedSymbol, event: Event | Retract) -> None:
        """A fact came, changed, or is taken back."""
        if isinstance(event, DerivedBar):
            ring = viewed.bars.get(event.interval)
            if ring is not None:
                ring.put(event)
        elif isinstance(event, Indicators):
            rows = viewed.rows.get(event.interval)
            if rows is not None:
                if viewed.growing[event.interval]:
                    # The one row goes back where its bar is gone.
                    rows.remove_after(event.start_ms)
                rows.put(event)
        elif isinstance(event, Retract):
            self._see_retract(viewed, event)
        if self._keeps_facts:
            self._see_fact(event)

    def _see_retract(self, viewed: ViewedSymbol, event: Retract) -> None:
        if event.type == "derived_bar":
            interval, start = parsed_id(event.id).rest
            ring = viewed.bars.get(interval)
            if ring is not None:
                ring.remove(int(start))
        elif event.type == "indicators":
            rest = parsed_id(event.id).rest
            rows = viewed.rows.get(rest[0])
            if rows is not None:
                if len(rest) == LATEST_PARTS:
                    rows.remove_after(FAR_PAST_MS)
                else:
                    rows.remove(int(rest[1]))

    def _see_fact(self, event: Event | Retract) -> None:
        kind = type_of(event)
        if kind in self._types or (kind == "window" and self._is_named_window(event)):
            if isinstance(event, Retract):
                self.view.facts.take_away(kind, event.symbol, event.id)
            else:
                self.view.facts.put(kind, event)

    def _is_named_window(self, event: Event | Retract) -> bool:
        return parsed_id(event.id).rest[0] in self.needs.windows

    def is_for_hook(self, event: Event | Retract) -> bool:
        """Whether `on_event` comes for a fact."""
        return self.hears_event and (not self._types or type_of(event) in self._types)

    def is_for_bars(self, interval: str) -> bool:
        """Whether `on_bars` comes for an interval."""
        return self.hears_bars and (not self.intervals or interval in self.intervals)

    def cold(self, symbol: str) -> int:
        """How many of the things that `Needs` names of a symbol are not complete; 0 once warm."""
        viewed = self.viewed[symbol]
        if viewed.warm:
            return 0
        base = viewed.base_bars
        missing = 1 if base is not None and len(base) < base.capacity else 0
        missing += len([ring for ring in viewed.bars.values() if len(ring) < ring.capacity])
        missing += self.cold_keys(symbol)
        windows = [parsed_id(each.id).rest[0] for each in self.view.facts.of("window", symbol)]
        missing += len([name for name in self.needs.windows if name not in windows])
        if missing == 0:
            viewed.warm = True
        return missing

    def cold_keys(self, symbol: str) -> int:
        """How many named keys of indicators have no value at the last bar; 0 once warm."""
        viewed = self.viewed[symbol]
        if viewed.warm:
            return 0
        missing = 0
        for key in self.needs.indicators:
            interval = viewed.interval_of.get(key)
            row = None if interval is None else viewed.rows[interval].row(0)
            if row is None or key in row.cold:
                missing += 1
        return missing

    def is_called_for(self, symbol: str) -> bool:
        """Whether hooks come for a symbol."""
        return self.viewed[symbol].warm or self.needs.cold or self.cold(symbol) == 0

    # What the call emits.

    def begin_call(
        self, fact: Any, bar: tuple[str, str, int, int] | None, now_ms: int, step: int
    ) -> None:
        """The next call, with its argument, has read and emitted nothing."""
        if step != self._step:
            self._step = step
            self._in_record = 0
        self.at.ms = now_ms
        self.view.reads.begin(fact, bar)
        self.emitted = []
        self.failure = None
        if self._coming:
            self._coming = {}

    def emit(self, signal: Signal) -> str:
        """Take a signal; see `Now.emit`."""
        try:
            return self._issue(signal, None, "")
        except SignalError as error:
            self.failure = error
            raise

    def replace(self, signal_id: str, signal: Signal) -> str:
        """Close a signal and take another one; see `Now.replace`."""
        try:
            self._check_own(signal_id)
            new_id = self._issue(signal, signal_id, "replaced")
        except SignalError as error:
            self.failure = error
            raise
        self._coming[signal_id] = False
        return new_id

    def cancel(self, signal_id: str, reason: str) -> None:
        """Close a signal; see `Now.cancel`."""
        try:
            self._check_own(signal_id)
            if not is_reason(reason):
                raise SignalError(f"reason = {reason!r:.80} is not allowed; allowed: a short text")
        except SignalError as error:
            self.failure = error
            raise
        self._coming[signal_id] = False
        self.emitted.append(Emitted(closes=signal_id, reason=reason))

    def mark(self) -> None:
        """Mark the record; see `Now.mark`."""
        self._context.mark()

    def _check_own(self, signal_id: str) -> None:
        if self.is_ending:
            raise SignalError("the replay is over: no signal can be closed any more")
        is_issued = self._coming.get(signal_id)
        if is_issued is None:
            is_issued = self._context.is_issued(self.name, signal_id)
        if not is_issued:
            raise SignalError(f"{signal_id!r:.200} is no issued signal of strategy {self.name}")

    def _issue(self, signal: Signal, replaces: str | None, reason: str) -> str:
        if self.is_ending:
            raise SignalError("the replay is over: nothing can be emitted any more")
        if not isinstance(signal, Signal):
            raise SignalError(f"{signal!r:.80} is no Signal")
        symbol = signal.symbol
        if symbol not in self.viewed:
            raise SignalError(f"symbol {symbol!r:.80} is none of strategy {self.name}")
        context = self._context
        now_ms, watermark_ms = context.now_ms(), context.watermark_ms(symbol)
        if watermark_ms is None:
            raise SignalError(f"symbol {symbol} has no bar and no clock yet")
        if self._in_record >= MOST_SIGNALS:
            raise SignalError(f"more than {MOST_SIGNALS} signals in one record")
        if now_ms != self._issue_ms:
            self._issue_ms, self._counts = now_ms, {}
        number = self._counts.get(symbol, 0)
        new_id = signal_id(self.name, symbol, now_ms, number)
        loaded, reads = self.loaded, self.view.reads
        inputs, truncated = reads.inputs()
        issue = Issue(
            signal_id=new_id,
            strategy=self.name,
            account=loaded.account,
            version=loaded.version,
            now_ms=now_ms,
            watermark_ms=watermark_ms,
            session=context.session_of(symbol, watermark_ms),
            muted="config" if _is_muted(loaded.muted, now_ms) else None,
            replaces=replaces,
            inputs=inputs,
            spans=reads.spans(),
            truncated=truncated,
        )
        made = issued(signal, issue, context.traded(symbol))
        self._counts[symbol] = number + 1
        self._in_record += 1
        self._coming[new_id] = True
        tif: TimeInForce = "session" if signal.valid_bars is None else "bars"
        self.emitted.append(Emitted(replaces, reason, made, tif))
        return new_id

    # State.

    def counts(self) -> dict[str, Any]:
        """The numbers of its signals, and the symbols that are warm."""
        return {
            "issue_ms": self._issue_ms,
            "counts": dict(self._counts),
            "warm": [symbol for symbol, viewed in self.viewed.items() if viewed.warm],
            "from": self.view.facts.oldest_sessions(),
        }

    def restore_counts(self, record: Mapping[str, Any]) -> None:
        """Take what `counts` gave."""
        self._issue_ms, self._counts = record["issue_ms"], dict(record["counts"])
        self.view.facts.restore_oldest(record["from"])
        for symbol in record["warm"]:
            if symbol in self.viewed:
                self.viewed[symbol].warm = True


def _is_muted(muted: bool | int, now_ms: int) -> bool:
    return muted is True or (muted is not False and now_ms < muted)
