"""Session ranges of one symbol: levels, and the state machines followed bar by bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tapeline.schemas.templates import RangeKind, Template
from tests.oracle.book import Book, Fact, SlotBar
from tests.oracle.trading_days import DAY_MS
from tests.oracle.windows import Window, windows

PREVIOUS_CLOSE_AT_MOST_MS = 5 * DAY_MS
LINK_ORDER = ["Yearly", "Monthly", "Weekly", "Major", "Minor"]


@dataclass
class Touch:
    """One transition of a range, by the bar `bar_ms`; or its expiry, without a bar."""

    window: Window
    rank: int
    event: str
    level: str | None
    price: int | None
    bar_ms: int
    event_ms: int
    ambiguous: bool = False

    @property
    def is_expiry(self) -> bool:
        return self.event == "expired"


@dataclass
class Range:
    """One range with all that became of it."""

    window: Window
    rank: int
    have: int
    need: int
    reason: str | None
    state: str = "incomplete"
    high: int | None = None
    low: int | None = None
    true_open: int | None = None
    poc: int | None = None
    rpp: int | None = None
    side: str | None = None
    resolution: str | None = None
    expired: bool = False
    touches: list[Touch] = field(default_factory=list)

    def add(self, event: str, level: str, price: int, bar: SlotBar, ambiguous: bool) -> None:
        self.touches.append(
            Touch(self.window, self.rank, event, level, price, bar.start_ms, bar.end_ms, ambiguous)
        )

    def label_of(self, *events: str) -> int | None:
        """Label of the bar of a transition."""
        return next((each.bar_ms for each in self.touches if each.event in events), None)


def ranges(book: Book, templates: list[Template]) -> list[Range]:
    """All ranges of a symbol that the watermark has reached."""
    order = list(LINK_ORDER)
    found = []
    for template in templates:
        for kind in template.kinds:
            if kind.kind not in order:
                order.append(kind.kind)
            rank = order.index(kind.kind)
            for window in windows(kind, template, book.timeline, book.first_ms, book.watermark_ms):
                found.append(_range(book, window, rank))
    return found


def _range(book: Book, window: Window, rank: int) -> Range:
    kind = window.kind
    members = book.bars_between(window.start_ms, window.end_ms)
    need = book.timeline.labels_between(window.start_ms, window.end_ms)
    to_bar = book.by_start.get(window.to_ms)
    before = _previous_close(book, window.start_ms) if kind.previous_close else None
    if window.has_to_bar and to_bar is None:
        reason = "no_to_bar"
    elif kind.previous_close and before is None:
        reason = "no_previous_close"
    elif not _is_covered(kind, len(members), need):
        reason = "coverage"
    else:
        reason = None
    result = Range(window, rank, len(members), need, reason)
    if reason is not None:
        return result
    closes = [] if before is None else [before]
    result.high = max([bar.high for bar in members] + closes)
    result.low = min([bar.low for bar in members] + closes)
    if window.has_to_bar:
        assert to_bar is not None
        _set_levels(result, to_bar)
        _follow(book, result, "unbroken", _examine_poi)
    else:
        _follow(book, result, "untouched", _examine_first_touch)
    return result


def _previous_close(book: Book, start_ms: int) -> int | None:
    """Close of the last bar before the start, if its label is at most 5 x 24 h before it."""
    bar = book.bar_before(start_ms)
    if bar is None or start_ms - bar.start_ms > PREVIOUS_CLOSE_AT_MOST_MS:
        return None
    return bar.close


def _is_covered(kind: RangeKind, have: int, need: int) -> bool:
    return have > 0 and 100 * have >= kind.coverage * need


def _set_levels(result: Range, to_bar: SlotBar) -> None:
    assert result.high is not None
    assert result.low is not None
    true_open = to_bar.open if result.window.kind.true_open == "open" else to_bar.close
    far_high = abs(result.high - true_open) > abs(result.low - true_open)
    result.true_open = true_open
    result.poc = result.high if far_high else result.low
    result.rpp = 2 * true_open - result.poc


def _follow(
    book: Book, result: Range, first_state: str, examine: Callable[[Range, SlotBar], None]
) -> None:
    """Take bar after bar until the range is resolved or expires."""
    expires_ms = result.window.expires_ms
    result.state = first_state
    for bar in book.bars_from(result.window.examined_from_ms):
        if expires_ms is not None and bar.start_ms >= expires_ms:
            break
        examine(result, bar)
        if result.state == "resolved":
            return
    if expires_ms is not None and book.watermark_ms >= expires_ms:
        result.expired = True
        result.touches.append(
            Touch(result.window, result.rank, "expired", None, None, expires_ms, expires_ms)
        )


def _examine_poi(result: Range, bar: SlotBar) -> None:
    """PoC, then RPP, then TO: the first touch that changes the state ends the bar."""
    poc, rpp, true_open = result.poc, result.rpp, result.true_open
    assert poc is not None
    assert rpp is not None
    assert true_open is not None
    ambiguous = poc != rpp and _spans(bar, poc) and _spans(bar, rpp)
    for level, price in (("PoC", poc), ("RPP", rpp), ("TO", true_open)):
        if not _spans(bar, price):
            continue
        if level == "TO" and result.state == "first_break":
            result.state = "return"
            result.add("return", level, price, bar, False)
            return
        if level == "TO" and result.state.startswith("second_break"):
            same = result.state == "second_break_same"
            result.resolution = "single_sided" if same else "double_sided"
            result.state = "resolved"
            result.add("resolved", level, price, bar, False)
            return
        if level != "TO" and result.state == "unbroken":
            result.side = level
            result.state = "first_break"
            result.add("first_break", level, price, bar, ambiguous)
            return
        if level != "TO" and result.state == "return":
            sameness = "same" if level == result.side else "opposite"
            result.state = f"second_break_{sameness}"
            result.add(result.state, level, price, bar, ambiguous)
            return


def _examine_first_touch(result: Range, bar: SlotBar) -> None:
    """High, then low, each once; both may come in one bar."""
    assert result.high is not None
    assert result.low is not None
    for level, price in (("high", result.high), ("low", result.low)):
        event = f"touched_{level}"
        if _spans(bar, price) and result.label_of(event) is None:
            result.add(event, level, price, bar, False)
            result.state = "resolved" if result.state == "touched" else "touched"


def _spans(bar: SlotBar, price: int) -> bool:
    return bar.low <= price <= bar.high


def range_fact(book: Book, each: Range) -> Fact:
    """The range as published."""
    window = each.window

    def price(ticks: int | None) -> float | None:
        return None if ticks is None else book.price(ticks)

    return book.fact(
        "range",
        f"{window.kind.kind}|{window.name}",
        window.start_ms,
        max([window.decided_ms] + [touch.event_ms for touch in each.touches]),
        kind=window.kind.kind,
        name=window.name,
        start_ms=window.start_ms,
        to_ms=window.to_ms,
        expires_ms=window.expires_ms,
        state=each.state,
        expired=each.expired,
        high=price(each.high),
        low=price(each.low),
        true_open=price(each.true_open),
        poc=price(each.poc),
        rpp=price(each.rpp),
        have=each.have,
        need=each.need,
        reason=each.reason,
        side=each.side,
        resolution=each.resolution,
        first_break_ms=each.label_of("first_break"),
        return_ms=each.label_of("return"),
        second_break_ms=each.label_of("second_break_same", "second_break_opposite"),
        resolved_ms=each.label_of("resolved"),
    )


def touch_fact(book: Book, touch: Touch) -> Fact:
    """The touch or expiry as published."""
    kind, name = touch.window.kind.kind, touch.window.name
    return book.fact(
        "touch",
        f"{kind}|{name}|{touch.event}",
        touch.bar_ms,
        touch.event_ms,
        range=f"range|{book.symbol}|{kind}|{name}",
        kind=kind,
        name=name,
        event=touch.event,
        level=touch.level,
        price=None if touch.price is None else book.price(touch.price),
        bar_ms=touch.bar_ms,
        ambiguous=touch.ambiguous,
    )
