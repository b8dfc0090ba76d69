"""`now.view`: what a strategy can read, as of its call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from tapeline.schemas.events import (
    DerivedBar,
    Event,
    Gap,
    Indicators,
    Pair,
    Quality,
    Range,
    Session,
    Swing,
    Touch,
    WindowValue,
)
from tapeline.schemas.host_events import IssuedSignal
from tapeline.schemas.ids import last_part
from tapeline.schemas.records import Bar
from tapeline.streams.host.accounts.model import Holding
from tapeline.streams.host.errors import NotInNeedsError
from tapeline.streams.host.needs import Needs
from tapeline.streams.host.view.facts import FactTable
from tapeline.streams.host.view.reads import Reads
from tapeline.streams.host.view.rings import Ring


class ViewedSymbol:
    """What a strategy has of one symbol.

    Attributes
    ----------
    base
        Base interval.
    group
        Group of the symbol.
    bars
        By interval, the base one among them where it was named.
    rows
        Rows of indicators by interval.
    growing
        Of each of these intervals, whether its row is one that grows.
    interval_of
        Interval of each key that was named.
    end_of
        End of the base bar of a start.
    warm
        Whether all that was named was complete once.
    """

    __slots__ = (
        "bars", "base", "base_bars", "end_of", "group", "growing", "interval_of", "rows", "warm",
    )  # fmt: skip

    def __init__(self, base: str, group: str, end_of: Callable[[int], int]) -> None:
        self.base = base
        self.group = group
        self.end_of = end_of
        self.base_bars: Ring[Bar] | None = None
        self.bars: dict[str, Ring[DerivedBar]] = {}
        self.rows: dict[str, Ring[Indicators]] = {}
        self.growing: dict[str, bool] = {}
        self.interval_of: dict[str, str] = {}
        self.warm = False


class View:
    """What is known as of `now.ms`, of what `Needs` names; unknown is None or [].

    Everything that is read here is noted as an input of the signals that the call emits, but for
    position, signals and watermark. Facts and bars are frozen; lists are the caller's own.

    Raises
    ------
    NotInNeedsError
        From every method, when the symbol, or what is read of it, is not named in `Needs`.
    """

    def __init__(self, name: str, needs: Needs, symbols: Mapping[str, ViewedSymbol]) -> None:
        self._name = name
        self._needs = needs
        self._symbols = symbols
        self.facts = FactTable()
        self.reads = Reads()
        self._position: Callable[[str], Holding] | None = None
        self._signals: Callable[[str | None], list[IssuedSignal]] | None = None
        self._watermark: Callable[[str], int | None] | None = None

    def connect(
        self,
        position: Callable[[str], Holding],
        signals: Callable[[str | None], list[IssuedSignal]],
        watermark: Callable[[str], int | None],
    ) -> None:
        """Where position, signals and watermarks are asked."""
        self._position, self._signals, self._watermark = position, signals, watermark

    def bars(self, symbol: str, interval: str, n: int | None = None) -> list[Any]:
        """The last `n` bars, oldest first: `Bar` of the base interval, else `DerivedBar`.

        Fewer where there are fewer; None: as many as `Needs` names.
        """
        viewed = self._viewed(symbol)
        most = self._needs.bars.get(interval)
        if most is None or (n is not None and n > most):
            raise self._missing(f"bars={{{interval!r}: {n or 1}}}")
        count = most if n is None else n
        if count <= 0:
            return []
        if interval == viewed.base:
            ring = viewed.base_bars
            assert ring is not None
            found = ring.last(count)
            if found:
                to_ms = viewed.end_of(found[-1].start_ms)
                self.reads.add_bars(symbol, interval, found[0].start_ms, to_ms)
            return found
        derived = viewed.bars[interval].last(count)
        if derived:
            self.reads.add_bars(symbol, interval, derived[0].start_ms, derived[-1].end_ms)
        return derived

    def bar(self, symbol: str, interval: str, back: int = 0) -> Any:
        """The bar so many before the last one; None where there is none."""
        found = self.bars(symbol, interval, back + 1) if back >= 0 else []
        return found[0] if len(found) == back + 1 else None

    def indicator(self, symbol: str, key: str, back: int = 0) -> int | float | None:
        """Value of an indicator at the last bar of its interval, or so many bars before."""
        viewed = self._viewed(symbol)
        interval = viewed.interval_of.get(key)
        if interval is None:
            raise self._missing(f"indicators=[{key!r}]")
        rows = viewed.rows[interval]
        if back >= rows.capacity:
            raise self._missing(f"bars={{{interval!r}: {back + 1}}}")
        row = rows.row(back) if back >= 0 else None
        if row is None:
            return None
        self.reads.add_fact(row.id, row.rev)
        return row.values.get(key)

    def window(self, symbol: str, name: str) -> WindowValue | None:
        """The historical window of that name for the latest session it is known for."""
        self._viewed(symbol)
        if name not in self._needs.windows:
            raise self._missing(f"windows=[{name!r}]")
        ending = last_part(name)
        found = [
            fact
            for fact in self.facts.of("window", symbol)
            if fact.id.endswith(ending + last_part(fact.session))
        ]
        return cast("WindowValue | None", self._noted(found[-1] if found else None))

    def session(self, symbol: str) -> Session | None:
        """The latest trading session that was published."""
        return cast("Session | None", self._latest("session", symbol))

    def quality(self, symbol: str) -> Quality | None:
        """The completeness of the latest session that has one."""
        return cast("Quality | None", self._latest("quality", symbol))

    def gaps(self, symbol: str) -> list[Gap]:
        """Gaps by event_ms, then id."""
        return cast("list[Gap]", self._listed("gap", symbol))

    def ranges(self, symbol: str) -> list[Range]:
        """Ranges by event_ms, then id; those that are not resolved of all sessions."""
        return cast("list[Range]", self._listed("range", symbol))

    def touches(self, symbol: str) -> list[Touch]:
        """Touches by event_ms, then id."""
        return cast("list[Touch]", self._listed("touch", symbol))

    def swings(self, symbol: str) -> list[Swing]:
        """Swings by event_ms, then id."""
        return cast("list[Swing]", self._listed("swing", symbol))

    def pairs(self, symbol: str) -> list[Pair]:
        """Pairs of the symbol's group by event_ms, then id."""
        return cast("list[Pair]", self._listed("pair", symbol, self._viewed(symbol).group))

    def position(self, symbol: str) -> Holding:
        """What the account holds of a symbol; no input."""
        self._viewed(symbol)
        assert self._position is not None
        return self._position(symbol)

    def signals(self, symbol: str | None = None) -> list[IssuedSignal]:
        """Own signals that are issued, of a symbol or of all, oldest first; no inputs."""
        if symbol is not None:
            self._viewed(symbol)
        assert self._signals is not None
        return self._signals(symbol)

    def watermark_ms(self, symbol: str) -> int | None:
        """Watermark of a symbol; None before its first bar or clock; no input."""
        self._viewed(symbol)
        assert self._watermark is not None
        return self._watermark(symbol)

    def _viewed(self, symbol: str) -> ViewedSymbol:
        viewed = self._symbols.get(symbol)
        if viewed is None:
            raise self._missing(f"symbols=[{symbol!r}]")
        return viewed

    def _missing(self, what: str) -> NotInNeedsError:
        return NotInNeedsError(f"strategy {self._name} reads what it did not name: Needs({what})")

    def _named(self, event_type: str, symbol: str) -> None:
        self._viewed(symbol)
        if event_type not in self._needs.events:
            raise self._missing(f"events=[{event_type!r}]")

    def _latest(self, event_type: str, symbol: str) -> Event | None:
        self._named(event_type, symbol)
        return self._noted(self.facts.latest(event_type, symbol))

    def _listed(self, event_type: str, symbol: str, name: str | None = None) -> list[Event]:
        self._named(event_type, symbol)
        found = self.facts.of(event_type, symbol if name is None else name)
        for fact in found:
            self.reads.add_fact(fact.id, fact.rev)
        return found

    def _noted(self, fact: Event | None) -> Event | None:
        if fact is not None:
            self.reads.add_fact(fact.id, fact.rev)
        return fact
