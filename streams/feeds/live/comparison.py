"""The log of a session against the provider's history of it: what differs, what mends it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from tapeline.schemas.records import Bar, Cancel, Clock, LogRecord
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.feeds.clocked_feed import clock_times
from tapeline.streams.feeds.live.engine.statements import same_content

Kind = Literal["changed", "missing", "extra", "unclear"]
KINDS: Final[tuple[Kind, ...]] = ("changed", "missing", "extra", "unclear")
EDGE: Final = 3
"""Bars without a row on one side that may be taken back."""


class ComparedSlots(Struct, frozen=True):
    """What is compared of a symbol: slots with open_ms <= label that end by until_ms.

    Attributes
    ----------
    open_ms, close_ms
        Of the session (UTC ms).
    until_ms
        End of the last slot that the history must have by now; at most the close.
    """

    symbol: str
    open_ms: int
    close_ms: int
    until_ms: int

    @property
    def whole(self) -> bool:
        """Whether it reaches the close."""
        return self.until_ms >= self.close_ms


class Stated(Struct):
    """What the history answered for a stretch.

    Attributes
    ----------
    bars
        By label the bars that can be in the log.
    empty
        Labels of candles without a trade that the feed leaves out.
    unclear
        By label why a row cannot be used.
    unreadable
        Rows without a label: no bar of the log is absent from such an answer.
    """

    bars: dict[int, Bar] = field(default_factory=dict)
    empty: set[int] = field(default_factory=set)
    unclear: dict[int, str] = field(default_factory=dict)
    unreadable: int = 0


class SlotDifference(Struct, frozen=True):
    """One slot in which the log and the history differ.

    Attributes
    ----------
    kind
        ``changed``: other contents; ``missing``: the log lacks the bar; ``extra``: the history
        lacks it; ``unclear``: the history gave a row that cannot be used.
    held, stated
        The bar of the log, and that of the history.
    reason
        Why a row is unclear.
    """

    symbol: str
    start_ms: int
    kind: Kind
    held: Bar | None = None
    stated: Bar | None = None
    reason: str = ""


class ComparedSymbol(Struct, frozen=True):
    """A stretch, compared.

    Attributes
    ----------
    equal
        Number of bars that both have with the same contents.
    differences
        In order of labels.
    unreadable
        Rows of the history without a label.
    """

    stretch: ComparedSlots
    equal: int
    differences: tuple[SlotDifference, ...]
    unreadable: int = 0

    @property
    def same(self) -> bool:
        """Whether nothing differs, and every row could be read."""
        return not self.differences and not self.unreadable


def compare(stretch: ComparedSlots, held: Mapping[int, Bar], stated: Stated) -> ComparedSymbol:
    """Compare the bars of the log with those of the history.

    Parameters
    ----------
    held, stated
        By label; both of the stretch alone.
    """
    equal = 0
    differences = []
    for label in sorted({*held, *stated.bars, *stated.unclear}):
        ours, theirs = held.get(label), stated.bars.get(label)
        kind: Kind
        if label in stated.unclear:
            kind = "unclear"
        elif theirs is None:
            if label in stated.empty:
                continue
            kind = "extra"
        elif ours is None:
            kind = "missing"
        elif same_content(ours, theirs):
            equal += 1
            continue
        else:
            kind = "changed"
        reason = stated.unclear.get(label, "")
        differences.append(SlotDifference(stretch.symbol, label, kind, ours, theirs, reason))
    return ComparedSymbol(stretch, equal, tuple(differences), stated.unreadable)


def absent_in_both(
    stretch: ComparedSlots, labels: Iterable[int], first: Stated, second: Stated
) -> set[int]:
    """Labels of the log that two complete answers lack.

    An answer is complete around a slot where it has rows on both sides of it. At the edges of a
    whole session no row can be on one side: there at most `EDGE` bars are absent, because a history
    that does not reach back, or not that far yet, lacks more of them.

    Parameters
    ----------
    labels
        All that are extra to the second answer.
    """
    asked = sorted(labels)
    return _absent(stretch, asked, first) & _absent(stretch, asked, second)


def _absent(stretch: ComparedSlots, labels: list[int], stated: Stated) -> set[int]:
    if stated.unreadable or not stated.bars:
        return set()
    first, last = min(stated.bars), max(stated.bars)
    found = {label for label in labels if first < label < last}
    for edge in (
        {label for label in labels if label < first},
        {each for each in labels if each > last},
    ):
        if stretch.whole and len(edge) <= EDGE:
            found |= edge
    return found - stated.bars.keys() - stated.unclear.keys() - stated.empty


def mending(
    comparison: ComparedSymbol,
    cancelled: Collection[int],
    plan: InstrumentPlan,
    known_ms: int | None,
) -> Iterator[LogRecord]:
    """Records that make the log what the history is, in order of labels.

    Parameters
    ----------
    cancelled
        Labels of extra bars that are taken back; others stay.
    known_ms
        Watermark of the symbol in the log; None: it has no record.
    """
    for each in comparison.differences:
        if each.kind == "extra":
            if each.start_ms in cancelled and each.held is not None:
                yield Cancel(each.symbol, each.held.interval, each.start_ms)
        elif each.stated is not None:
            for time_ms in clocks_before(plan, known_ms, each.start_ms):
                yield Clock(each.symbol, time_ms)
            end_ms = plan.calendar.slot_end(each.start_ms, plan.base_ms)
            known_ms = end_ms if known_ms is None else max(known_ms, end_ms)
            yield replace(each.stated, source="fill")


def clocks_before(plan: InstrumentPlan, known_ms: int | None, start_ms: int) -> Iterator[int]:
    """Clocks that a bar shows to be due: what a file of the same bars has before it."""
    if known_ms is not None and start_ms > known_ms:
        yield from clock_times(plan.calendar, plan.base_ms, known_ms, start_ms)
