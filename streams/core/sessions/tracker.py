"""Trading sessions, their quality and their gaps: which slots are due, and which are there.

Rules: docs/rules.md 3 and 5.
"""

from __future__ import annotations

from typing import Any, Final

from tapeline.schemas.events import Event
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.last_bars import LastBars
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.sessions.events import SessionEvents
from tapeline.streams.core.sessions.facts import GapFact, QualityFact, SessionFact
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.tracker import ClosedBar, Tracker

VERSION: Final = 1
ALWAYS_MS: Final = FAR_PAST_MS
MEASURED: Final = ("quality", "gap")
"""Types that an instrument may do without."""


class SessionTracker(Tracker):
    """The session of the watermark of one symbol, slot by slot.

    Sessions and segments of all other trackers come from here: as time goes on it calls their
    `on_session` and `on_segment`, and before that, at the end of a segment, `on_time` of those that
    a session's end is theirs for, `closers`.

    Beyond the contract, for the fast path: it knows what an unbroken run is. From `enter_run` on
    its bars may be left out altogether, until `next_ms`; `all_present` counts them in, and
    `leave_run` ends that.

    Attributes
    ----------
    index, date
        Session of the watermark, and its ISO date.
    next_ms
        In a run the end of the segment's last slot of full length, or where times stop being
        plausible if that is sooner: from there on every label must be looked at. Otherwise any
        instant may show that a slot has no bar.
    followers
        All other trackers of the symbol.
    closers
        Those of them whose windows end with a session at the latest.
    """

    __slots__ = (
        "_bars", "_base_ms", "_calendar", "_day", "_earliest_ms", "_events", "_first_position",
        "_gap", "_gap_changed", "_gap_facts", "_last_full_ms", "_latest_ms", "_measured", "_opened",
        "_quality", "_quality_changed", "_quality_facts", "_session_facts", "_slots_before",
        "_standing", "closers", "date", "due", "followers", "index", "segment", "segment_close_ms",
        "segment_open_ms",
    )  # fmt: skip

    def __init__(self, plan: InstrumentPlan, bars: LastBars) -> None:
        super().__init__("sessions", VERSION, ("session", *MEASURED), ("1d",))
        self._events = SessionEvents(plan)
        self._base_ms = plan.base_ms
        self._calendar = plan.calendar
        self._measured = plan.quality
        self._earliest_ms = plan.earliest_ms
        self._latest_ms = plan.latest_ms
        self._bars = bars
        self._day: ClosedBar | None = None
        self.followers: list[Tracker] = []
        self.closers: list[Tracker] = []
        self.next_ms = ALWAYS_MS
        self.index = -1
        self.segment = 0
        self.date = ""
        self.segment_open_ms = 0
        self.segment_close_ms = 0
        self._last_full_ms = 0
        self.due = 0
        self._slots_before = 0
        self._first_position = 0
        self._quality = QualityFact("", 0, 0, 0)
        self._gap: GapFact | None = None
        self._session_facts: list[SessionFact] = []
        self._quality_facts: list[QualityFact] = []
        self._gap_facts: list[GapFact] = []
        self._opened: SessionFact | None = None
        self._standing: SessionFact | None = None
        self._quality_changed = False
        self._gap_changed = False

    def begin(self, label_ms: int) -> None:
        """History starts with the session of that label."""
        self._enter_session(self._calendar.session_of(label_ms))

    def on_time(self, instant_ms: int) -> None:
        """The watermark reaches an instant: slots that end by then are due, sessions may close."""
        while self._calendar.has_session(self.index):
            if instant_ms < self.segment_close_ms:
                self._miss_until(instant_ms)
                break
            self._miss_until(self.segment_close_ms)
            for closer in self.closers:
                if self.segment_close_ms >= closer.next_ms:
                    closer.on_time(self.segment_close_ms)
            if self.segment + 1 < len(self._calendar.segment_opens(self.index)):
                self._enter_segment(self.segment + 1)
            else:
                self._close_session()
                self._enter_session(self.index + 1)

    def on_derived(self, bar: ClosedBar) -> None:
        """The day's bar: what the session had."""
        self._day = bar

    def enter_run(self, watermark_ms: int) -> bool:
        """Whether the slot before the watermark has its bar and a full, plausible one follows.

        Then `next_ms` is where the run ends.
        """
        if self._gap is not None or self.due <= self._slots_before:
            return False
        if watermark_ms >= self._last_full_ms or watermark_ms < self._earliest_ms:
            return False
        if not self._calendar.has_session(self.index):
            return False
        passed_ms = (self.due - self._slots_before) * self._base_ms
        if self.segment_open_ms + passed_ms != watermark_ms:
            return False
        self.next_ms = self._last_full_ms
        return True

    def leave_run(self, watermark_ms: int) -> None:
        """The run came so far: its slots are there, and every instant is looked at again."""
        slots = -((self.segment_open_ms - watermark_ms) // self._base_ms)
        self.due = self._slots_before + slots
        self.next_ms = ALWAYS_MS

    def all_present(self, watermark_ms: int) -> None:
        """Every slot up to the watermark, which is in this segment or at its close, has its bar."""
        slots = -((self.segment_open_ms - watermark_ms) // self._base_ms)
        self.due = self._slots_before + slots

    def present(self) -> int:
        """Bars of the session so far, once those of the fast path are handed on."""
        return self._bars.position - self._first_position

    def on_bar(self, row: PackedRow, end_ms: int) -> None:
        """The bar of the slot next due is there."""
        gap = self._gap
        if gap is not None:
            gap.event_ms = end_ms
            gap.closed = True
            self._gap_facts.append(gap)
            self._gap = None
            self.pending = True
        self.due += 1
        if self.due == 1:
            self._opened = SessionFact(self.index, end_ms, False, 1, row[5], row[2], row[3])
            self._standing = self._opened
            self._note_quality(end_ms, 1)

    def _note_quality(self, as_of_ms: int, due: int) -> None:
        actual = self._bars.position - self._first_position
        self._quality = QualityFact(self.date, as_of_ms, due, actual)
        self._quality_changed = True
        self.pending = True

    def _miss_until(self, instant_ms: int) -> None:
        """Slots that end by the instant and have no bar are missing."""
        if instant_ms <= self.segment_open_ms:
            return
        if instant_ms >= self.segment_close_ms:
            slots = -((self.segment_open_ms - self.segment_close_ms) // self._base_ms)
        else:
            slots = (instant_ms - self.segment_open_ms) // self._base_ms
        due = self._slots_before + slots
        missing = due - self.due
        if missing <= 0:
            return
        first_start = self.segment_open_ms + (self.due - self._slots_before) * self._base_ms
        end = min(self.segment_open_ms + slots * self._base_ms, self.segment_close_ms)
        if self.due == 0:
            first_end = min(self.segment_open_ms + self._base_ms, self.segment_close_ms)
            self._opened = SessionFact(self.index, first_end, False, 0, None, None, None)
            self._standing = self._opened
        self.due = due
        self._note_quality(end, due)
        gap = self._gap
        if gap is None:
            gap = GapFact(self.date, first_start, end, 0, end, False)
            self._gap = gap
        gap.missing += missing
        gap.end_ms = end
        gap.event_ms = end
        self._gap_changed = True

    def _close_session(self) -> None:
        close = self.segment_close_ms
        day = self._day
        self._day = None
        if day is None:
            fact = SessionFact(self.index, close, True, 0, None, None, None)
        else:
            fact = SessionFact(self.index, close, True, day.have, day.volume, day.high, day.low)
        self._session_facts.append(fact)
        self._note_quality(close, self.due)
        self._quality_facts.append(self._quality)
        self._quality_changed = False
        self._opened = None
        gap = self._gap
        if gap is not None:
            gap.event_ms = close
            gap.closed = True
            self._gap_facts.append(gap)
            self._gap = None

    def _enter_session(self, index: int) -> None:
        self.index = index
        self.due = 0
        self._first_position = self._bars.position
        self._slots_before = 0
        self._standing = None
        if self._calendar.has_session(index):
            self._quality = QualityFact(self._calendar.date(index), 0, 0, 0)
            self._begin_session()
            self._enter_segment(0)

    def _begin_session(self) -> None:
        self.date = self._calendar.date(self.index)
        for follower in self.followers:
            follower.on_session(self.index, self.date)

    def _enter_segment(self, segment: int) -> None:
        if segment > 0:
            self._slots_before = self.due
        self._begin_segment(segment)

    def _begin_segment(self, segment: int) -> None:
        self.segment = segment
        self.segment_open_ms = self._calendar.segment_opens(self.index)[segment]
        self.segment_close_ms = self._calendar.segment_closes(self.index)[segment]
        length = self.segment_close_ms - self.segment_open_ms
        last_full_ms = self.segment_open_ms + length // self._base_ms * self._base_ms
        self._last_full_ms = min(last_full_ms, self._latest_ms)
        for follower in self.followers:
            follower.on_segment(self.index, segment, self._slots_before, self._first_position)

    def publish(self, part: str, stamp: Stamp) -> None:
        """Append the sessions, the qualities or the gaps that the record changed."""
        if part == "session":
            self.publish_sessions(stamp)
        elif part == "quality":
            self.publish_quality(stamp)
        else:
            self.publish_gaps(stamp)

    def publish_sessions(self, stamp: Stamp) -> None:
        """Append session events: what closed, then what opened and is still open."""
        facts = self._session_facts
        if self._opened is not None:
            facts.append(self._opened)
            self._opened = None
        for fact in facts:
            stamp.out.append(self._events.session(fact, stamp))
        if facts:
            self._session_facts = []

    def publish_quality(self, stamp: Stamp) -> None:
        """Append quality events: final ones, then the running one if it changed."""
        facts = self._quality_facts
        if self._quality_changed:
            facts.append(self._quality)
            self._quality_changed = False
        if not facts:
            return
        self._quality_facts = []
        if self._measured:
            for fact in facts:
                stamp.out.append(self._events.quality(fact, stamp))

    def publish_gaps(self, stamp: Stamp) -> None:
        """Append gap events: closed ones, then the open one if it grew."""
        facts = self._gap_facts
        gap = self._gap
        if self._gap_changed and gap is not None:
            facts.append(gap)
        self._gap_changed = False
        if not facts:
            return
        self._gap_facts = []
        if self._measured:
            for fact in facts:
                stamp.out.append(self._events.gap(fact, stamp))

    def restore_point(self) -> list[Any]:
        """Plain data between two records; the session is named by its date."""
        gap = self._gap
        quality = self._quality
        opened = self._standing
        return [
            self._calendar.stored_day(self.index),
            self.segment,
            self.due,
            self._first_position,
            self._slots_before,
            [quality.as_of_ms, quality.due, quality.actual],
            None if gap is None else [gap.start_ms, gap.end_ms, gap.missing],
            None
            if opened is None
            else [opened.event_ms, opened.bars, opened.volume, opened.high, opened.low],
        ]

    def rewind(self, data: list[Any]) -> None:
        """Go to a restore point; the followers get its session and segment."""
        self.next_ms = ALWAYS_MS
        self._day = None
        self.index = self._calendar.index_from_day(data[0])
        self.due = data[2]
        self._first_position = data[3]
        self._slots_before = data[4]
        self._opened = None
        if self._calendar.has_session(self.index):
            self._begin_session()
            self._begin_segment(data[1])
        self._quality, self._gap, self._standing = self._facts(data)

    def reset(self) -> None:
        """Before the first bar."""
        self.next_ms = ALWAYS_MS
        self._day = None
        self.index = -1
        self.segment = 0
        self.date = ""
        self.due = 0
        self._last_full_ms = 0
        self.segment_open_ms = 0
        self.segment_close_ms = 0
        self._slots_before = 0
        self._first_position = 0
        self._quality = QualityFact("", 0, 0, 0)
        self._gap = None
        self._standing = None

    def _facts(self, data: list[Any]) -> tuple[QualityFact, GapFact | None, SessionFact | None]:
        """The facts of a restore point that can still change."""
        day, _, _, _, _, quality, gap, opened = data
        index = self._calendar.index_from_day(day)
        date = self._calendar.date(index) if self._calendar.has_session(index) else ""
        session: SessionFact | None = None
        if opened is not None:
            session = SessionFact(
                index, opened[0], False, opened[1], opened[2], opened[3], opened[4]
            )
        open_gap: GapFact | None = None
        if gap is not None:
            open_gap = GapFact(date, gap[0], gap[1], gap[2], gap[1], False)
        return QualityFact(date, quality[0], quality[1], quality[2]), open_gap, session

    def standing(self, point: list[Any], ids: list[str]) -> list[Event]:
        """The facts that could still change at a restore point: session, quality, open gap."""
        stamp = Stamp()
        quality, gap, opened = self._facts(point)
        found: list[Event] = []
        if opened is not None:
            found.append(self._events.session(opened, stamp))
        if self._measured and quality.due > 0:
            found.append(self._events.quality(quality, stamp))
        if self._measured and gap is not None:
            found.append(self._events.gap(gap, stamp))
        return found
