"""What an indicator is, and the bars that all indicators of an interval share."""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.core.tracker import ClosedBar

Value = float | int | None

NEVER: Final = 1 << 60
"""A count of bars that is not reached."""
SINCE_SESSION: Final = -1
"""Instead of a number of bars: those since the session's first."""
SINCE_BEGINNING: Final = -2
"""Instead of a number of bars: all of them."""
_SLACK: Final = 64


class BarRing:
    """The last bars of one interval, newest last; prices in ticks.

    Its owner sets `begin_ms`, calls `push` with each bar, and then `update` of the indicators.

    Attributes
    ----------
    depth
        Bars that are kept at least, this one included.
    begin_ms
        Label of history's first bar in session: a bar of this interval that began before it is not
        counted.
    end_ms
        End of the last bar.
    count, counted
        Bars so far, and those of them that began in history.
    sessions, session_bars
        Sessions that had bars so far, and bars of the present one.
    volumes
        Whole volumes: 0 where it is a fraction or not known.
    doubles
        All volumes as doubles while one of them is a fraction, else empty.
    last_fraction
        Number of the last bar, from 1, whose volume is a fraction; 0 when none is kept.
    """

    __slots__ = (
        "_passed", "_session", "_session_unknown", "_unknown", "_unknown_before", "begin_ms",
        "closes", "count", "counted", "depth", "doubles", "end_ms", "highs", "last_fraction",
        "lows", "opens", "session_bars", "sessions", "volumes",
    )  # fmt: skip

    def __init__(self) -> None:
        self.depth = 2
        self.begin_ms = FAR_PAST_MS
        self.end_ms = FAR_PAST_MS
        self.opens: list[int] = []
        self.highs: list[int] = []
        self.lows: list[int] = []
        self.closes: list[int] = []
        self.volumes: list[int] = []
        self.doubles: list[float] = []
        self.last_fraction = 0
        self._unknown: list[int] = []
        self._unknown_before = 0
        self._session_unknown = 0
        # By look-back, how many of `_unknown` it has behind it.
        self._passed: dict[int, int] = {}
        self.count = 0
        self.counted = 0
        self.sessions = 0
        self.session_bars = 0
        self._session = ""

    def keep(self, depth: int) -> None:
        """Keep at least that many bars; before the first one."""
        if depth > self.depth:
            self.depth = depth

    def push(self, bar: ClosedBar) -> None:
        """The next bar."""
        if bar.session != self._session:
            self._session = bar.session
            self.sessions += 1
            self.session_bars = 0
            self._session_unknown = 0
        self.session_bars += 1
        self.count += 1
        self.end_ms = bar.end_ms
        if bar.start_ms >= self.begin_ms:
            self.counted += 1
        self.opens.append(bar.open)
        self.highs.append(bar.high)
        self.lows.append(bar.low)
        self.closes.append(bar.close)
        volume = bar.volume
        if isinstance(volume, int):
            self.volumes.append(volume)
            if self.doubles:
                self.doubles.append(float(volume))
        else:
            self._push_odd(volume)
        if len(self.closes) > 2 * self.depth + _SLACK:
            self._trim()

    def _push_odd(self, volume: float | None) -> None:
        """A volume that is not known, or a fraction."""
        if volume is None:
            self._unknown.append(self.count)
            self._session_unknown += 1
            volume = 0.0
        else:
            self.last_fraction = self.count
            if not self.doubles:
                for whole in self.volumes:
                    self.doubles.append(float(whole))
        if self.doubles or self.last_fraction == self.count:
            self.doubles.append(volume)
        self.volumes.append(0)

    def _trim(self) -> None:
        """Forget bars that lie behind the depth."""
        extra = len(self.closes) - self.depth
        del self.opens[:extra]
        del self.highs[:extra]
        del self.lows[:extra]
        del self.closes[:extra]
        del self.volumes[:extra]
        if self.doubles:
            if self.last_fraction <= self.count - self.depth:
                self.doubles.clear()
            else:
                del self.doubles[:extra]
        gone = 0
        while gone < len(self._unknown) and self._unknown[gone] <= self.count - self.depth:
            gone += 1
        if gone:
            self._unknown_before += gone
            del self._unknown[:gone]
            for look_back, passed in list(self._passed.items()):
                self._passed[look_back] = passed - gone if passed > gone else 0

    def has_fraction(self, n: int) -> bool:
        """Whether the volume of one of the last n bars is a fraction."""
        return self.last_fraction > 0 and self.last_fraction > self.count - n

    def unknown_volumes(self, look_back: int) -> int:
        """Bars without a volume among the last ones.

        Parameters
        ----------
        look_back
            How many bars, at most the depth, or `SINCE_SESSION`, or `SINCE_BEGINNING`.
        """
        unknown = self._unknown
        if look_back == SINCE_SESSION:
            return self._session_unknown
        if look_back == SINCE_BEGINNING:
            return self._unknown_before + len(unknown)
        if not unknown:
            return 0
        passed = self._passed.get(look_back, 0)
        while passed < len(unknown) and unknown[passed] <= self.count - look_back:
            passed += 1
        self._passed[look_back] = passed
        return len(unknown) - passed

    def snapshot(self) -> list[Any]:
        """Plain data: counts, then the kept bars."""
        kept = len(self.closes)
        first = kept - self.depth if kept > self.depth else 0
        fractions = [] if self.last_fraction <= self.count - self.depth else self.doubles[first:]
        recent = [number for number in self._unknown if number > self.count - self.depth]
        before = self._unknown_before + len(self._unknown) - len(recent)
        return [
            [self.begin_ms, self.end_ms, self.count, self.counted],
            [self._session, self.sessions, self.session_bars],
            [before, recent, self._session_unknown],
            [self.last_fraction if fractions else 0, fractions],
            self.opens[first:],
            self.highs[first:],
            self.lows[first:],
            self.closes[first:],
            self.volumes[first:],
        ]

    def restore(self, data: list[Any]) -> None:
        """Go to a snapshot; `restore` of all indicators follows."""
        self.begin_ms, self.end_ms, self.count, self.counted = data[0]
        self._session, self.sessions, self.session_bars = data[1]
        unknown, fractions = data[2], data[3]
        self._unknown_before = unknown[0]
        self._unknown[:] = unknown[1]
        self._session_unknown = unknown[2] if len(unknown) > 2 else self._unknown_since_session()
        self._passed.clear()
        self.last_fraction = fractions[0]
        self.doubles[:] = [float(each) for each in fractions[1]]
        self.opens[:] = data[4]
        self.highs[:] = data[5]
        self.lows[:] = data[6]
        self.closes[:] = data[7]
        self.volumes[:] = data[8]

    def _unknown_since_session(self) -> int:
        """Of a snapshot that has not counted them: its list goes back to the session's first."""
        found = 0
        for number in self._unknown:
            if number > self.count - self.session_bars:
                found += 1
        return found

    def reset(self) -> None:
        """Before the first bar."""
        self.restore(
            [[FAR_PAST_MS, FAR_PAST_MS, 0, 0], ["", 0, 0], [0, [], 0], [0, []], [], [], [], [], []]
        )


def stored_count(data: list[Any]) -> int:
    """Bars so far, by a snapshot of a ring."""
    found: int = data[0][2]
    return found


class Indicator:
    """Values that follow the bars of one interval.

    Parameters
    ----------
    ring
        Bars of the interval; the indicator tells it how many it looks at.

    Attributes
    ----------
    first
        It is cold while ``ring.count`` is less; its values are then not to be asked for.
    warm_from
        It is warming while it has values and ``ring.counted`` is less: they may show where history
        began. Both may fall, to 0, in `update`: of stops that turn, of what begins with a session.
    look_back
        Bars whose volumes its values hold: 0, a number, `SINCE_SESSION` or `SINCE_BEGINNING`.
    """

    __slots__ = ("first", "look_back", "ring", "warm_from")

    def __init__(self, ring: BarRing, first: int, warm_from: int) -> None:
        self.ring = ring
        self.first = first
        self.warm_from = warm_from
        self.look_back = 0

    def update(self, index: int, seen: int) -> None:
        """The next bar; it is the last of the ring.

        Parameters
        ----------
        index
            Its position in the lists of the ring.
        seen
            Bars so far, this one included.
        """

    def value(self, number: int) -> Value:
        """One of its values, by its number in the table; None where the bar has none."""
        return None

    def snapshot(self) -> list[Any]:
        """Plain data of what does not follow from the ring."""
        return []

    def restore(self, data: list[Any]) -> None:
        """Go to a snapshot; the ring, and what it follows, are there already."""


class Windowed(Indicator):
    """Exact values of the last `first` bars: what it sums is made again from the ring."""

    __slots__ = ()

    def __init__(self, ring: BarRing, first: int) -> None:
        super().__init__(ring, first, first)
        ring.keep(first + 1)

    def clear(self) -> None:
        """Before the first bar."""

    def restore(self, data: list[Any]) -> None:
        self.clear()
        ring = self.ring
        kept = self.first if ring.count > self.first else ring.count
        start = len(ring.closes) - kept
        for number in range(kept):
            self.update(start + number, number + 1)
