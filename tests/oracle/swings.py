"""Swings of one symbol: classes by repeated passes, prior opposite, link to the latest touch."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from tests.oracle.book import Book, Fact
from tests.oracle.ranges import Touch
from tests.oracle.trading_days import MINUTE_MS

HIGHEST_CLASS = 6


@dataclass
class Swing:
    """A swing at the bar `position`; `reached[n - 1]` is the instant at which it had class n."""

    position: int
    start_ms: int
    side: str
    price: int
    reached: list[int]

    @property
    def swing_class(self) -> int:
        return len(self.reached)


def swings(book: Book, touches: list[Touch], structural_class: int) -> list[Fact]:
    """All swings as published; `touches` are those a swing may be linked to."""
    found = _class_one(book)
    for side in ("high", "low"):
        _promote([swing for swing in found if swing.side == side])
    ordered = _by_preference(touches)
    facts = []
    for index, swing in enumerate(found):
        prior = _prior(found, index, structural_class)
        event_ms = swing.reached[-1]
        if prior is not None and swing.swing_class >= structural_class:
            event_ms = max(event_ms, prior.reached[structural_class - 1])
        facts.append(
            book.fact(
                "swing",
                f"{swing.start_ms}|{swing.side}",
                swing.start_ms,
                event_ms,
                **{"class": swing.swing_class},
                start_ms=swing.start_ms,
                side=swing.side,
                price=book.price(swing.price),
                prior=None if prior is None else _prior_fields(book, swing, prior),
                touch=_link(book, swing, ordered),
            )
        )
    return facts


def _class_one(book: Book) -> list[Swing]:
    """Bars beyond or level with both neighbours, without repetitions of a price."""
    found: list[Swing] = []
    last_price: dict[str, int] = {}
    for position in range(1, len(book.bars) - 1):
        left, bar, right = book.bars[position - 1 : position + 2]
        if bar.high >= left.high and bar.high >= right.high:
            side, price = "high", bar.high
        elif bar.low <= left.low and bar.low <= right.low:
            side, price = "low", bar.low
        else:
            continue
        if last_price.get(side) != price:
            last_price[side] = price
            found.append(Swing(position, bar.start_ms, side, price, [right.end_ms]))
    return found


def _promote(one_side: list[Swing]) -> None:
    """Give the middle of three neighbours of a class the next one, class by class."""
    for target in range(2, HIGHEST_CLASS + 1):
        below = [swing for swing in one_side if swing.swing_class >= target - 1]
        for left, middle, right in zip(below, below[1:], below[2:], strict=False):
            if middle.side == "high":
                rises = middle.price >= left.price and middle.price >= right.price
            else:
                rises = middle.price <= left.price and middle.price <= right.price
            if rises:
                known = [swing.reached[target - 2] for swing in (left, middle, right)]
                middle.reached.append(max(known))


def _prior(found: list[Swing], index: int, structural_class: int) -> Swing | None:
    """Nearest earlier swing of the other side; for a structural one, of structural class."""
    swing = found[index]
    least = structural_class if swing.swing_class >= structural_class else 1
    for earlier in range(index - 1, -1, -1):
        other = found[earlier]
        if other.side != swing.side and other.swing_class >= least:
            return other
    return None


def _prior_fields(book: Book, swing: Swing, prior: Swing) -> Fact:
    return {
        "start_ms": prior.start_ms,
        "points": book.price(abs(swing.price - prior.price)),
        "bars": swing.position - prior.position,
    }


def _by_preference(touches: list[Touch]) -> list[Touch]:
    """Latest last; of one bar the higher kind, the later range start, the smaller name last."""
    ordered = sorted(touches, key=lambda touch: touch.window.name, reverse=True)
    return sorted(ordered, key=lambda touch: (touch.bar_ms, -touch.rank, touch.window.start_ms))


def _link(book: Book, swing: Swing, ordered: list[Touch]) -> Fact | None:
    count = bisect_right(ordered, swing.start_ms, key=lambda touch: touch.bar_ms)
    if count == 0:
        return None
    touch = ordered[count - 1]
    window = touch.window
    return {
        "id": f"touch|{book.symbol}|{window.kind.kind}|{window.name}|{touch.event}",
        "minutes": (swing.start_ms - touch.bar_ms) // MINUTE_MS,
        "bars": swing.position - book.position[touch.bar_ms],
    }
