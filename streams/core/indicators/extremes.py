"""The highest and the lowest of the last bars, at a flat cost a bar."""

from __future__ import annotations

from tapeline.streams.core.indicators.model import BarRing


class Highest:
    """Greatest of the last n values; of equal ones the latest.

    Kept are those that no later one reaches, in falling order: each value comes and goes once.

    Attributes
    ----------
    top
        The greatest.
    """

    __slots__ = ("_count", "_head", "_n", "_numbers", "_values", "top")

    def __init__(self, n: int) -> None:
        self._n = n
        self._numbers: list[int] = []
        self._values: list[int] = []
        self._head = 0
        self._count = 0
        self.top = 0

    def push(self, value: int) -> None:
        """The next value."""
        values = self._values
        numbers = self._numbers
        head = self._head
        size = len(values)
        while size > head and values[size - 1] <= value:
            values.pop()
            numbers.pop()
            size -= 1
        number = self._count + 1
        self._count = number
        values.append(value)
        numbers.append(number)
        if numbers[head] <= number - self._n:
            head += 1
            if head > 64:
                del values[:head]
                del numbers[:head]
                head = 0
            self._head = head
        self.top = values[head]

    def age(self) -> int:
        """How many values ago the greatest was."""
        return self._count - self._numbers[self._head]

    def clear(self) -> None:
        """Before the first value."""
        self._numbers.clear()
        self._values.clear()
        self._head = 0
        self._count = 0


class Channel:
    """Highest high and lowest low of the last n bars.

    Bars come in blocks of n: the window is the present block so far, and what is left of the one
    before, whose extremes from each bar on are found when it is full. A bar costs the same
    whichever way the market goes, and less than it costs `Highest`.

    Attributes
    ----------
    high, low
        The extremes.
    """

    __slots__ = (
        "_block_high", "_block_highs", "_block_low", "_block_lows", "_highs", "_lows", "_n",
        "_older_highs", "_older_lows", "high", "low",
    )  # fmt: skip

    def __init__(self, ring: BarRing, n: int) -> None:
        self._n = n
        self._highs = ring.highs
        self._lows = ring.lows
        self._block_highs: list[int] = []
        self._block_lows: list[int] = []
        self._block_high = 0
        self._block_low = 0
        # Of the block before: extremes from each bar to its end, the next one to be asked last.
        self._older_highs: list[int] = []
        self._older_lows: list[int] = []
        self.high = 0
        self.low = 0

    def update(self, index: int) -> None:
        """The next bar, by its position in the ring."""
        highs = self._block_highs
        lows = self._block_lows
        high = self._highs[index]
        low = self._lows[index]
        size = len(highs)
        if size == self._n:
            self._end_block()
            size = 0
        highs.append(high)
        lows.append(low)
        if size == 0 or high > self._block_high:
            self._block_high = high
        else:
            high = self._block_high
        if size == 0 or low < self._block_low:
            self._block_low = low
        else:
            low = self._block_low
        if self._older_highs:
            older = self._older_highs.pop()
            if older > high:
                high = older
            older = self._older_lows.pop()
            if older < low:
                low = older
        self.high = high
        self.low = low

    def _end_block(self) -> None:
        highs = self._block_highs
        lows = self._block_lows
        high = highs[-1]
        low = lows[-1]
        for position in range(self._n - 1, 0, -1):
            if highs[position] > high:
                high = highs[position]
            if lows[position] < low:
                low = lows[position]
            self._older_highs.append(high)
            self._older_lows.append(low)
        highs.clear()
        lows.clear()

    def clear(self) -> None:
        """Before the first bar."""
        self._block_highs.clear()
        self._block_lows.clear()
        self._older_highs.clear()
        self._older_lows.clear()
