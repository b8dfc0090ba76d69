"""Where a publication that ended early goes on: what of the input the topic already holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from tapeline.streams.kafka.messages import Message

COMPARED = 8
NO_TIME = -1
"""Before all times of messages."""


class Tail(Struct, frozen=True):
    """The last messages of a symbol in the topic.

    Attributes
    ----------
    values
        At most `COMPARED`, oldest first, at least one.
    time_ms
        Greatest time, as in `Message`, of the records among all that were read of the symbol;
        `NO_TIME` where none of them can be a record.
    """

    values: tuple[bytes, ...]
    time_ms: int


class ResumeSearch:
    """Finds the position in a sequence of messages after which each symbol goes on.

    A symbol's messages lie in one partition, in order, so what the topic holds of a publication
    that was cut is a beginning of the symbol's own sequence, whatever the other symbols did. The
    position is the first after which the sequence reads like the topic's end for longest. When the
    topic ends with something else (another file was published), the symbol goes on with the first
    message that is not older than the topic's newest: what it then repeats is a duplicate.
    """

    def __init__(self) -> None:
        self._tails: dict[str, Tail | None] = {}
        self._counts: dict[str, int] = {}
        self._recent: dict[str, deque[bytes]] = {}
        self._matched: dict[str, tuple[int, int]] = {}
        self._older: dict[str, int] = {}

    def knows(self, symbol: str) -> bool:
        """Whether `begin` was called for a symbol."""
        return symbol in self._tails

    def begin(self, symbol: str, tail: Tail | None) -> None:
        """The end of a symbol in the topic, before its first message; None: there is nothing."""
        self._tails[symbol] = tail
        self._counts[symbol] = 0
        self._recent[symbol] = deque(maxlen=COMPARED)

    def take(self, message: Message) -> None:
        """The next message of the sequence."""
        symbol = message.symbol
        tail = self._tails[symbol]
        if tail is None:
            return
        count = self._counts[symbol] + 1
        self._counts[symbol] = count
        recent = self._recent[symbol]
        recent.append(message.value)
        if message.value == tail.values[-1]:
            length = _common_end(recent, tail.values)
            if length > self._matched.get(symbol, (0, 0))[0]:
                self._matched[symbol] = (length, count)
        if message.time_ms >= tail.time_ms:
            self._older.setdefault(symbol, count - 1)

    def already_there(self) -> dict[str, int]:
        """By symbol, how many of its first messages are not to be published again."""
        return {
            symbol: self._matched[symbol][1]
            if symbol in self._matched
            else self._older.get(symbol, count)
            for symbol, count in self._counts.items()
        }


def _common_end(found: Sequence[bytes], wanted: Sequence[bytes]) -> int:
    length = 0
    for ours, theirs in zip(reversed(found), reversed(wanted), strict=False):
        if ours != theirs:
            break
        length += 1
    return length
