"""What operators ask of a tape: how fresh each symbol is, and what is wrong. Pure.

The only part of the product that sets bars against the time of a machine; that time is handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from tapeline.schemas.feed_events import Hole
from tapeline.schemas.host_events import StrategyState
from tapeline.schemas.instants import HOUR_MS, SECOND_MS
from tapeline.streams.core.calendar import Calendar
from tapeline.streams.core.ratio import ratio
from tapeline.streams.pipeline.operations import Operations
from tapeline.streams.pipeline.warm_up import IndicatorHistory, WindowHistory

STALE_SLOTS = 3
GRACE_MS = 30 * SECOND_MS
"""How late a bar or its evidence may be before its slot counts as one without either."""
RECENT_MS = HOUR_MS
OF_FEED = "feed:"
"""So begins the source of a dead letter of a feed: name, receive time and number follow."""

State = Literal["stale", "halted", "refused", "current", "closed"]


class SessionSoFar(Struct, frozen=True):
    """The session of the watermark as of it: bars of the slots that are over.

    Attributes
    ----------
    due
        Slots that are over.
    quality
        100 x bars / due; None before the first slot is over.
    """

    session: str
    open_ms: int
    close_ms: int
    as_of_ms: int
    bars: int
    due: int
    high: float | None
    low: float | None
    quality: float | None


class OpenGap(Struct, frozen=True):
    """Missing slots [start_ms, end_ms), the last of which may not be the last."""

    start_ms: int
    end_ms: int
    missing: int


class SymbolFacts(Struct, frozen=True):
    """What a tape holds of a symbol; None where it has no record.

    Attributes
    ----------
    last_bar_ms
        Label of the last bar.
    indicators
        By interval, ascending by length.
    windows
        Historical windows by name.
    """

    symbol: str
    group: str
    calendar: Calendar
    base_ms: int
    watermark_ms: int | None
    last_bar_ms: int | None
    session: SessionSoFar | None = None
    gaps: tuple[OpenGap, ...] = ()
    indicators: tuple[IndicatorHistory, ...] = ()
    windows: tuple[WindowHistory, ...] = ()


class DatedLetter(Struct, frozen=True):
    """A dead letter; `at_ms` is None where nothing says when it was written."""

    code: str
    at_ms: int | None


class CorrectedFact(Struct, frozen=True):
    """A version of a fact that the correction of a bar caused.

    Attributes
    ----------
    bar_ms
        Label of the corrected bar; None where several caused it.
    at_ms
        When its record came in.
    """

    type: str
    symbol: str
    bar_ms: int | None
    at_ms: int


class HostedStrategy(Struct, frozen=True):
    """A strategy as its host reported it last.

    Attributes
    ----------
    state
        ``running``, ``faulted`` or ``disabled``.
    error
        Of one that failed: type and message, and the record of the log at which it did.
    """

    name: str
    account: str | None
    version: str
    state: str
    error: str | None = None


class StatusFacts(Struct, frozen=True):
    """What a tape holds.

    Attributes
    ----------
    corrected
        Of the last hour at least.
    stale_groups
        Groups whose view waits until they are run again.
    strategies
        Those that a host ran.
    rebuilt_at
        Offsets of the log at which groups of theirs were run again from their bars: what they
        published from the first on is no replay's.
    """

    symbols: Sequence[SymbolFacts]
    operations: Operations
    letters: Sequence[DatedLetter] = ()
    corrected: Sequence[CorrectedFact] = ()
    stale_groups: Sequence[str] = ()
    strategies: Sequence[HostedStrategy] = ()
    rebuilt_at: Sequence[int] = ()


class SymbolStatus(Struct, frozen=True):
    """How a symbol is.

    Attributes
    ----------
    state
        ``stale``: in session, and `STALE_SLOTS` slots are over with neither bar nor evidence;
        ``halted``: the provider reported a halt; ``refused``: the provider did not confirm its
        subscription; ``closed``: its calendar has no session now.
    age_slots
        Slots that are over since the end of the last bar; None without a bar.
    silent_slots
        Slots that were over `GRACE_MS` ago, with neither bar nor evidence.
    """

    symbol: str
    group: str
    state: State
    last_bar_ms: int | None
    watermark_ms: int | None
    age_slots: int | None
    silent_slots: int
    session: SessionSoFar | None
    gaps: tuple[OpenGap, ...]
    holes: list[Hole]
    feeds: list[str]
    stale_view: bool
    indicators: tuple[IndicatorHistory, ...]
    windows: tuple[WindowHistory, ...]


class Status(Struct, frozen=True):
    """How a tape is, the worst symbols first.

    Attributes
    ----------
    rejects, undated_rejects
        Dead letters of the last hour by code; those of which nothing says when they were written.
    corrected_bars, corrected
        Bars that were corrected in the last hour, and by type the versions which that led to.
    """

    as_of_ms: int
    symbols: list[SymbolStatus]
    rejects: dict[str, int]
    undated_rejects: dict[str, int]
    corrected_bars: int
    corrected: dict[str, int]
    stale_groups: list[str]
    strategies: list[HostedStrategy] = []
    rebuilt_at: list[int] = []

    @property
    def stale(self) -> list[str]:
        """Symbols that are stale in session."""
        return [each.symbol for each in self.symbols if each.state == "stale"]


def received_ms(source: str) -> int | None:
    """When the record of a dead letter came in; None where its source does not name that."""
    if not source.startswith(OF_FEED):
        return None
    _, _, rest = source.removeprefix(OF_FEED).rpartition(":")[0].rpartition(":")
    return int(rest) if rest.isdecimal() else None


def slots_over(calendar: Calendar, base_ms: int, from_ms: int, now_ms: int) -> int:
    """Number of slots with from <= label whose end has come."""
    if now_ms <= from_ms:
        return 0
    count = calendar.count_slots(from_ms, now_ms, base_ms)
    end_ms = calendar.end_around(now_ms, base_ms)
    if end_ms != now_ms and calendar.label_before(end_ms, base_ms) >= from_ms:
        count -= 1
    return count


def is_open(calendar: Calendar, instant_ms: int) -> bool:
    """Whether an instant lies in a session, and in none of its breaks."""
    index = calendar.session_of(instant_ms)
    return calendar.has_session(index) and calendar.segment_of(index, instant_ms) >= 0


def silent_slots(calendar: Calendar, base_ms: int, known_ms: int | None, now_ms: int) -> int:
    """Slots of whose bars nothing is known, though they were over `GRACE_MS` ago.

    Parameters
    ----------
    known_ms
        Up to here every slot has its bar or evidence; None: from the open of the session on.
    """
    if known_ms is None:
        index = calendar.session_of(now_ms)
        if not calendar.has_session(index):
            return 0
        known_ms = calendar.open_ms(index)
    return slots_over(calendar, base_ms, known_ms, now_ms - GRACE_MS)


def is_stale(calendar: Calendar, base_ms: int, known_ms: int | None, now_ms: int) -> bool:
    """Whether a symbol is stale in session; see `SymbolStatus`."""
    silent = silent_slots(calendar, base_ms, known_ms, now_ms)
    return silent >= STALE_SLOTS and is_open(calendar, now_ms)


def session_so_far(
    calendar: Calendar,
    base_ms: int,
    watermark_ms: int,
    bars: Iterable[tuple[int, float, float]],
) -> SessionSoFar | None:
    """The session of the last slot that is over by a watermark; None where there is none.

    Parameters
    ----------
    bars
        Label, high and low of bars from the open of that session on, see `session_index`.
    """
    index = session_index(calendar, watermark_ms)
    if index is None:
        return None
    open_ms, close_ms = calendar.open_ms(index), calendar.close_ms(index)
    high: float | None = None
    low: float | None = None
    count = 0
    for start_ms, bar_high, bar_low in bars:
        if start_ms >= min(watermark_ms, close_ms):
            break
        if not calendar.is_slot(start_ms, base_ms):
            continue
        count += 1
        high = bar_high if high is None else max(high, bar_high)
        low = bar_low if low is None else min(low, bar_low)
    due = slots_over(calendar, base_ms, open_ms, min(watermark_ms, close_ms))
    quality = ratio(100 * count, due) if due else None
    date = calendar.date(index)
    return SessionSoFar(date, open_ms, close_ms, watermark_ms, count, due, high, low, quality)


def session_index(calendar: Calendar, watermark_ms: int) -> int | None:
    """Index of the session that is running by a watermark, or of the last one before it."""
    index = calendar.session_of(watermark_ms - 1)
    if not calendar.has_session(index) or calendar.open_ms(index) >= watermark_ms:
        index -= 1
    return index if calendar.has_session(index) else None


def status_of(facts: StatusFacts, now_ms: int) -> Status:
    """How a tape is at an instant of the machine's clock."""
    views = set(facts.stale_groups)
    symbols = [
        _symbol(each, facts.operations, each.group in views, now_ms) for each in facts.symbols
    ]
    symbols.sort(key=_badness)
    since_ms = now_ms - RECENT_MS
    dated = Counter(
        each.code for each in facts.letters if each.at_ms is not None and each.at_ms >= since_ms
    )
    undated = Counter(each.code for each in facts.letters if each.at_ms is None)
    recent = [each for each in facts.corrected if each.at_ms >= since_ms]
    bars = {(each.symbol, each.bar_ms) for each in recent if each.bar_ms is not None}
    return Status(
        as_of_ms=now_ms,
        symbols=symbols,
        rejects=dict(sorted(dated.items())),
        undated_rejects=dict(sorted(undated.items())),
        corrected_bars=len(bars),
        corrected=dict(sorted(Counter(each.type for each in recent).items())),
        stale_groups=sorted(facts.stale_groups),
        strategies=sorted(facts.strategies, key=lambda each: each.name),
        rebuilt_at=list(facts.rebuilt_at),
    )


def hosted_strategy(event: StrategyState) -> HostedStrategy:
    """What an event of a host says of its strategy."""
    error = None
    if event.error_type is not None:
        error = f"{event.error_type}: {event.error}"
        if event.record is not None:
            error += f" (partition {event.record.partition} offset {event.record.offset})"
    return HostedStrategy(event.strategy or "", event.account, event.version, event.state, error)


def _symbol(
    facts: SymbolFacts, operations: Operations, stale_view: bool, now_ms: int
) -> SymbolStatus:
    calendar, base_ms = facts.calendar, facts.base_ms
    holes = operations.holes(facts.symbol)
    last_end_ms = None
    if facts.last_bar_ms is not None:
        last_end_ms = calendar.slot_end(facts.last_bar_ms, base_ms)
    known_ms = _known_ms(facts.watermark_ms, last_end_ms, holes)
    silent = silent_slots(calendar, base_ms, known_ms, now_ms)
    state: State = "current"
    if not is_open(calendar, now_ms):
        state = "closed"
    elif operations.is_halted(facts.symbol):
        state = "halted"
    elif operations.is_refused(facts.symbol):
        state = "refused"
    elif is_stale(calendar, base_ms, known_ms, now_ms):
        state = "stale"
    age = None
    if last_end_ms is not None:
        age = slots_over(calendar, base_ms, last_end_ms, now_ms)
    return SymbolStatus(
        symbol=facts.symbol,
        group=facts.group,
        state=state,
        last_bar_ms=facts.last_bar_ms,
        watermark_ms=facts.watermark_ms,
        age_slots=age,
        silent_slots=silent,
        session=facts.session,
        gaps=facts.gaps,
        holes=holes,
        feeds=operations.feeds(facts.symbol),
        stale_view=stale_view,
        indicators=facts.indicators,
        windows=facts.windows,
    )


def _known_ms(watermark_ms: int | None, last_end_ms: int | None, holes: list[Hole]) -> int | None:
    """Up to where every slot has its bar or evidence.

    Not the watermark while a connection is down: then time goes on without evidence. A hole of the
    history grows, too, where one symbol of a feed has no answer, and proves nothing of the others.
    """
    if watermark_ms is None:
        return None
    down = [each.from_ms for each in holes if each.to_ms is None and each.cause != "history"]
    known_ms = min(watermark_ms, *down) if down else watermark_ms
    return known_ms if last_end_ms is None else max(known_ms, last_end_ms)


def _badness(status: SymbolStatus) -> tuple[bool, bool, bool, bool, bool, int, str]:
    """Sorts the worst first."""
    return (
        status.state != "stale",
        not status.holes,
        not status.stale_view,
        status.state not in ("halted", "refused"),
        not status.gaps,
        -status.silent_slots,
        status.symbol,
    )
