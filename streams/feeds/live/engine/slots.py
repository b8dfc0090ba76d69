"""Slots of one symbol: which one an instant lies in, where it ends, which session it is of."""

from __future__ import annotations

from collections.abc import Iterator

from tapeline.schemas.instants import FAR_FUTURE_MS
from tapeline.streams.core.calendar import Calendar


class SlotGrid:
    """The slots of a base interval in the sessions of a calendar."""

    __slots__ = ("base_ms", "calendar")

    def __init__(self, calendar: Calendar, base_ms: int) -> None:
        self.calendar = calendar
        self.base_ms = base_ms

    def at(self, instant_ms: int) -> int:
        """Label of the first slot that ends after an instant; FAR_FUTURE_MS beyond the calendar."""
        calendar = self.calendar
        index = calendar.session_of(instant_ms)
        if not calendar.has_session(index):
            return FAR_FUTURE_MS
        opens, closes = calendar.segment_opens(index), calendar.segment_closes(index)
        for opened, closed in zip(opens, closes, strict=True):
            if instant_ms < opened:
                return opened
            if instant_ms < closed:
                return instant_ms - (instant_ms - opened) % self.base_ms
        return FAR_FUTURE_MS

    def end(self, label_ms: int) -> int:
        """End of the bar with a label."""
        return self.calendar.slot_end(label_ms, self.base_ms)

    def last_end(self, instant_ms: int) -> int:
        """Greatest end of a slot at or before an instant; 0 before the calendar."""
        calendar = self.calendar
        index = calendar.session_of(instant_ms)
        if calendar.has_session(index) and calendar.open_ms(index) < instant_ms:
            best = 0
            opens, closes = calendar.segment_opens(index), calendar.segment_closes(index)
            for opened, closed in zip(opens, closes, strict=True):
                if closed <= instant_ms:
                    best = closed
                elif instant_ms - opened >= self.base_ms:
                    best = instant_ms - (instant_ms - opened) % self.base_ms
            if best:
                return best
        return calendar.close_ms(index - 1) if calendar.has_session(index - 1) else 0

    def labels(self, from_ms: int, to_ms: int) -> Iterator[int]:
        """Labels of the slots with from_ms <= label < to_ms, ascending."""
        label = self.at(from_ms)
        if label < from_ms:
            label = self.at(self.end(label))
        while label < to_ms:
            yield label
            label = self.at(self.end(label))

    def count(self, from_ms: int, to_ms: int) -> int:
        """Number of slots with from_ms <= label < to_ms."""
        return self.calendar.count_slots(from_ms, to_ms, self.base_ms)

    def edges(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        """The stretch widened to whole slots."""
        label = self.at(from_ms)
        begin = label if label < from_ms else from_ms
        last = self.at(to_ms)
        return begin, self.end(last) if last < to_ms else to_ms

    def session(self, instant_ms: int) -> tuple[int, int]:
        """Open and close of the session of an instant, or of the next one.

        Both FAR_FUTURE_MS beyond the calendar.
        """
        calendar = self.calendar
        index = calendar.session_of(instant_ms)
        if not calendar.has_session(index):
            return FAR_FUTURE_MS, FAR_FUTURE_MS
        return calendar.open_ms(index), calendar.close_ms(index)

    def session_before(self, instant_ms: int) -> tuple[int, int]:
        """Open and close of the last session that closed at or before an instant; 0, 0: none."""
        calendar = self.calendar
        index = calendar.session_of(instant_ms) - 1
        if not calendar.has_session(index):
            return 0, 0
        return calendar.open_ms(index), calendar.close_ms(index)

    def closes(self, end_ms: int) -> bool:
        """Whether trading stops at the end of a slot: a session ends and none follows at once."""
        calendar = self.calendar
        index = calendar.session_of(end_ms - 1)
        if not calendar.has_session(index) or calendar.close_ms(index) != end_ms:
            return False
        return not calendar.has_session(index + 1) or calendar.open_ms(index + 1) > end_ms
