"""How much history indicators and windows have of what they need, as operators ask for it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct
from msgspec.json import Decoder

from tapeline.schemas.config.indicator_sets import IntervalIndicators
from tapeline.schemas.ids import parsed_id
from tapeline.schemas.indicators.counts import BY_EVENTS, first_count, warm_count
from tapeline.schemas.indicators.sets import followed
from tapeline.schemas.indicators.specification import Specification

RETRACT = "retract"
KEPT_ROWS = 64
"""Latest rows of an interval: the last one may be taken back, and the one before it stands then."""


class KeyHistory(Struct, frozen=True):
    """An indicator that is cold or warming.

    Attributes
    ----------
    key
        In its interval; of several values, what stands before the dot.
    have
        Bars so far, None where they are not counted; of a key that is warming by a number of bars
        less than it needs: a bar that began before history does not count for it.
    need
        Bars until its first value, or until history's beginning is gone; None where no number
        decides.
    """

    key: str
    have: int | None
    need: int | None


class IndicatorHistory(Struct, frozen=True):
    """Indicators of one interval of a symbol.

    Attributes
    ----------
    indicators
        Number of them.
    start_ms, end_ms
        Bar of the latest row; None without one.
    """

    interval: str
    indicators: int
    start_ms: int | None
    end_ms: int | None
    cold: tuple[KeyHistory, ...]
    warming: tuple[KeyHistory, ...]


class WindowHistory(Struct, frozen=True):
    """The latest value of a historical window: None without one.

    Attributes
    ----------
    session
        The one that it is for.
    have, need
        Sessions with a value, and all of the window.
    """

    name: str
    session: str | None
    have: int | None
    need: int | None


class IndicatorRow(Struct, frozen=True):
    """What is asked about a row of indicators; of a retraction its id."""

    id: str
    op: str
    rev: int = 0
    start_ms: int = 0
    end_ms: int = 0
    cold: tuple[str, ...] = ()
    warming: tuple[str, ...] = ()


class WindowRow(Struct, frozen=True):
    """What is asked about the value of a window; of a retraction its id."""

    id: str
    op: str
    session: str = ""
    have: int = 0
    need: int = 0


read_indicators = Decoder(IndicatorRow).decode
read_window = Decoder(WindowRow).decode


class IntervalRows:
    """Rows of one symbol and interval, from their versions in order.

    Attributes
    ----------
    bars
        That have a row.
    """

    __slots__ = ("_gone", "_recent", "bars")

    def __init__(self) -> None:
        self.bars = 0
        self._recent: dict[int, IndicatorRow] = {}
        self._gone: set[int] = set()

    @property
    def latest(self) -> IndicatorRow | None:
        """The latest row."""
        return self._recent[max(self._recent)] if self._recent else None

    def add(self, row: IndicatorRow) -> None:
        """A version of a row that is a fact of its own."""
        if row.start_ms in self._gone:
            self._gone.remove(row.start_ms)
            self.bars += 1
        elif row.rev == 0:
            self.bars += 1
        recent = self._recent
        recent[row.start_ms] = row
        if len(recent) > KEPT_ROWS:
            del recent[min(recent)]

    def grow(self, row: IndicatorRow) -> None:
        """A version of the one fact of all bars: only the last bar of a record has one."""
        latest = self.latest
        if latest is None or row.start_ms > latest.start_ms:
            self.bars += 1
        elif row.start_ms < latest.start_ms:
            self.bars -= 1
        self._recent = {row.start_ms: row}

    def drop(self, start_ms: int) -> None:
        """The row of a bar is taken back."""
        self.bars -= 1
        self._gone.add(start_ms)
        self._recent.pop(start_ms, None)


class RowTable:
    """Rows of indicators and values of windows that stand, from their versions in order."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], IntervalRows] = {}
        self._windows: dict[tuple[str, str], dict[str, WindowRow]] = {}

    def take_indicators(self, line: bytes) -> None:
        """The next version of a row."""
        row = read_indicators(line)
        if row.op == RETRACT:
            self.drop(row.id)
            return
        fact = parsed_id(row.id)
        rows = self._rows.setdefault((fact.name, fact.rest[0]), IntervalRows())
        if len(fact.rest) == 1:
            rows.grow(row)
        else:
            rows.add(row)

    def take_window(self, line: bytes) -> None:
        """The next version of a value."""
        row = read_window(line)
        if row.op == RETRACT:
            self.drop(row.id)
            return
        fact = parsed_id(row.id)
        self._windows.setdefault((fact.name, fact.rest[0]), {})[row.session] = row

    def drop(self, fact_id: str) -> None:
        """A fact is taken back."""
        fact = parsed_id(fact_id)
        key = fact.name, fact.rest[0]
        if fact.type == "window":
            self._windows.get(key, {}).pop(fact.rest[1], None)
        elif len(fact.rest) == 1:
            self._rows.pop(key, None)
        elif key in self._rows:
            self._rows[key].drop(int(fact.rest[1]))

    def rows(self, symbol: str, interval: str) -> IntervalRows:
        """Rows of an interval."""
        return self._rows.get((symbol, interval)) or IntervalRows()

    def window(self, symbol: str, name: str) -> WindowRow | None:
        """The latest value."""
        values = self._windows.get((symbol, name))
        return values[max(values)] if values else None


def indicator_history(
    planned: IntervalIndicators, row: IndicatorRow | None, bars: int | None
) -> IndicatorHistory:
    """How far the indicators of an interval are.

    Parameters
    ----------
    row
        The latest one.
    bars
        How many they have taken; None where that is not known.
    """
    made = {each.stem: each for each in planned.specifications}
    interval = planned.interval
    owners = {key: each for each in made.values() for key in each.keys(interval)}
    cold: Iterable[str] = ()
    warming: Iterable[str] = ()
    if row is not None:
        cold, warming = row.cold, row.warming
    elif bars is not None:
        cold = owners
    return IndicatorHistory(
        interval,
        len(made),
        None if row is None else row.start_ms,
        None if row is None else row.end_ms,
        tuple(
            KeyHistory(each.key(interval), bars, _until(each, made, first_count))
            for each in _owners(cold, owners)
        ),
        tuple(
            _warming(each.key(interval), bars, _until(each, made, warm_count))
            for each in _owners(warming, owners)
        ),
    )


def window_history(name: str, row: WindowRow | None) -> WindowHistory:
    """How much a window has of what it needs, by its latest value."""
    if row is None:
        return WindowHistory(name, None, None, None)
    return WindowHistory(name, row.session, row.have, row.need)


def _owners(keys: Iterable[str], owners: dict[str, Specification]) -> list[Specification]:
    """Whose values keys are, each once, in order of their keys; some may be of other settings."""
    found = {owners[key].stem: owners[key] for key in sorted(keys) if key in owners}
    return list(found.values())


def _warming(key: str, bars: int | None, need: int | None) -> KeyHistory:
    if bars is None or need is None:
        return KeyHistory(key, bars, need)
    return KeyHistory(key, min(bars, need - 1), need)


def _until(
    each: Specification, made: dict[str, Specification], count: Callable[[Specification], int]
) -> int | None:
    """Bars by one of the counts of `schemas.indicators.counts`, with those of what it follows."""
    own = count(each)
    if own == BY_EVENTS:
        return None
    if not each.of:
        return own
    inner = _until(followed(each, made)[0], made, count)
    return None if inner is None else inner + own - 1
