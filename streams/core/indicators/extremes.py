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
    """Highest high and lowest low of the last n bars."""

    __slots__ = ("_highs", "_lows", "highest", "negated_lowest")

    def __init__(self, ring: BarRing, n: int) -> None:
        self._highs = ring.highs
        self._lows = ring.lows
        self.highest = Highest(n)
        self.negated_lowest = Highest(n)

    def update(self, index: int) -> None:
        """The next bar, by its position in the ring."""
        self.highest.push(self._highs[index])
        self.negated_lowest.push(-self._lows[index])

    def high(self) -> int:
        """Highest high."""
        return self.highest.top

    def low(self) -> int:
        """Lowest low."""
        return -self.negated_lowest.top

    def clear(self) -> None:
        """Before the first bar."""
        self.highest.clear()
        self.negated_lowest.clear()
