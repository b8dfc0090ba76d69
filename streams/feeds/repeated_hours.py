"""The hour that comes twice in autumn: which of its two passes a row of a table belongs to.

Wall times without offset do not show it, the order of the rows does: in the direction of the file
the first row of a repeated hour whose wall time does not advance begins the second pass. Where one
pass alone is there, or the rows of the symbol are in no order, nothing shows it, and the rows are
refused.

All of a file is needed for that, and a file may be larger than memory. So at the first such row the
file is read once more, for the times alone; what is kept of it is a few numbers for each symbol and
each repeated hour. A file without such rows is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Protocol

from tapeline.schemas.records import Bar
from tapeline.streams.errors import InputError
from tapeline.streams.feeds.items import Feed, FeedBroken
from tapeline.streams.feeds.times import RepeatedTimeError

Hour = tuple[str, int]
"""A symbol and the instant at which clocks are set back."""
FORWARD = 1
BACKWARD = -1
UNKNOWN = 0
NO_ORDER = 2


class Passes(Protocol):
    """Who knows the pass of a row."""

    def instant(self, symbol: str, time: RepeatedTimeError, number: int) -> int | None:
        """Instant of the row of a number, None where nothing shows which."""
        ...


class PassesOfFile:
    """Passes by the order of the rows of a file, however often and in which order it is asked.

    Parameters
    ----------
    again
        Opens the file once more, its repeated times handed to a `PassScan`; None: it cannot be
        read twice.
    """

    def __init__(self, again: Callable[[PassScan], Feed] | None) -> None:
        self._again = again
        self._seconds: dict[Hour, tuple[int, int]] | None = None

    def instant(self, symbol: str, time: RepeatedTimeError, number: int) -> int | None:
        """See `Passes`."""
        if self._seconds is None:
            self._seconds = {} if self._again is None else _scanned(self._again)
        found = self._seconds.get((symbol, time.change_ms))
        if found is None:
            return None
        second, direction = found
        return time.first_ms if (number < second) == (direction == FORWARD) else time.second_ms


class PassScan:
    """Looks through the times of a file: direction of each symbol, rows of its repeated hours."""

    def __init__(self) -> None:
        self._orders: dict[str, _Order] = {}
        self._hours: dict[Hour, _RepeatedHour] = {}

    def row(self, symbol: str, start_ms: int) -> None:
        """A row whose time occurs once."""
        order = self._orders.get(symbol)
        if order is None:
            order = self._orders[symbol] = _Order()
        order.take(start_ms)

    def instant(self, symbol: str, time: RepeatedTimeError, number: int) -> None:
        """A row of a repeated hour; see `Passes`."""
        # Both passes lie around the change, and all other times before or behind both.
        self.row(symbol, time.change_ms)
        hour = self._hours.setdefault((symbol, time.change_ms), _RepeatedHour())
        hour.take(time.wall_ms, number)

    def seconds(self) -> dict[Hour, tuple[int, int]]:
        """Of each resolved hour: the row that begins the second run, and the direction."""
        found = {}
        for hour, seen in self._hours.items():
            direction = seen.direction(self._orders[hour[0]].direction)
            if direction in (FORWARD, BACKWARD):
                found[hour] = (seen.second_run(direction), direction)
        return found


class _Order:
    """Direction of the times of one symbol."""

    __slots__ = ("_last_ms", "direction")

    def __init__(self) -> None:
        self.direction = UNKNOWN
        self._last_ms: int | None = None

    def take(self, instant_ms: int) -> None:
        last_ms = self._last_ms
        self._last_ms = instant_ms
        if last_ms is None or instant_ms == last_ms:
            return
        step = FORWARD if instant_ms > last_ms else BACKWARD
        if self.direction == UNKNOWN:
            self.direction = step
        elif self.direction != step:
            self.direction = NO_ORDER


class _RepeatedHour:
    """Rows of one repeated hour: where wall times did not advance, either direction taken.

    Attributes are lists of two, for `FORWARD` and for `BACKWARD`: how often they did not, and the
    number of the row where they did not for the first time.
    """

    __slots__ = ("_first_stops", "_last_ms", "_stops")

    def __init__(self) -> None:
        self._last_ms: int | None = None
        self._stops = [0, 0]
        self._first_stops = [0, 0]

    def take(self, wall_ms: int, number: int) -> None:
        if self._last_ms is not None:
            for at, stops in enumerate((wall_ms <= self._last_ms, wall_ms >= self._last_ms)):
                if stops:
                    self._stops[at] += 1
                    if self._stops[at] == 1:
                        self._first_stops[at] = number
        self._last_ms = wall_ms

    def direction(self, of_symbol: int) -> int:
        """Direction in which the rows are two passes; neither `FORWARD` nor `BACKWARD`: none."""
        if of_symbol != UNKNOWN:
            twice = of_symbol == NO_ORDER or self._stops[_at(of_symbol)] == 1
            return of_symbol if twice else UNKNOWN
        # The symbol has nothing but this hour: its rows must be two passes in one direction, and
        # neither one pass nor two in the other.
        forward, backward = self._stops
        if forward == 1 and backward > 1:
            return FORWARD
        return BACKWARD if backward == 1 and forward > 1 else UNKNOWN

    def second_run(self, direction: int) -> int:
        return self._first_stops[_at(direction)]


def _at(direction: int) -> int:
    return 0 if direction == FORWARD else 1


def _scanned(again: Callable[[PassScan], Feed]) -> dict[Hour, tuple[int, int]]:
    scan = PassScan()
    try:
        with closing(again(scan)) as feed:
            _scan(scan, feed)
    except InputError as error:
        raise FeedBroken(f"{error} (read again for its repeated hour)") from error
    return scan.seconds()


def _scan(scan: PassScan, feed: Iterable[tuple[object, object, int]]) -> None:
    for content, _, _ in feed:
        if type(content) is Bar:
            scan.row(content.symbol, content.start_ms)
