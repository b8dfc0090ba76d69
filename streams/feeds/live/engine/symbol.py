"""What the content side keeps of one symbol while the process lives."""

from __future__ import annotations

from typing import NamedTuple

from tapeline.schemas.feed_events import Evidence
from tapeline.schemas.instants import FAR_PAST_MS
from tapeline.schemas.records import Bar
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.feeds.live.engine.slots import SlotGrid
from tapeline.streams.feeds.live.engine.stretches import Stretches
from tapeline.streams.feeds.live.model import Instant, Statement
from tapeline.streams.pipeline.log_writer import KnownSymbol


class HeardStatement(NamedTuple):
    """A statement of the stream, and when it came: by our clocks and by the provider's time."""

    statement: Statement
    connection: int
    came: Instant
    provider_ms: int


class QuietRun(NamedTuple):
    """A run of slots without a bar, of one kind of evidence."""

    from_ms: int
    to_ms: int
    evidence: Evidence


class FeedSymbol:
    """One symbol of a feed.

    Attributes
    ----------
    watermark_ms
        As the engine of its group will have it; None before its first record.
    silent_ms
        End of the slots after the watermark whose silence is proven and has no clock yet.
    seen
        By label the bar that the log holds last, None a cancel.
    orders
        By label, when (``mono_ms``) what is seen was stated; none of what an earlier process wrote.
    revisions, flapping
        How often a slot got other content; slots that got it too often.
    in_progress
        By label the last state of a bar whose end no message names.
    connections
        Connections that have it, with provider time of the acknowledgement.
    marked_ms
        Every bar of it that starts at or before it was sent.
    marked
        Stretches of holes that markers showed to be whole.
    replay_until_ms
        Until when (``mono_ms``) its connection may still replay what was missed.
    unknown
        Stretches in which no connection had it and no answer of the history is known.
    proven
        Stretches in which the history showed that there is no other bar than those seen.
    weak
        Answers without a bar and without anything that shows that the history is that far.
    holding
        Since when (``mono_ms``) its statements are held back for the history; None: they are not.
    backed
        Slots whose bars are those of the backup: no other provider revises them.
    reclaimed_until_ms
        Until when (``mono_ms``) the feed itself may revise them, too.
    stated_ms
        Label of the last slot that the stream stated a final bar of.
    refused
        Whether the provider does not give it.
    """

    __slots__ = (
        "absent",
        "ahead_in_a_row",
        "asked_label_ms",
        "asked_ms",
        "backed",
        "barred",
        "clock_ms",
        "connections",
        "empty",
        "flapping",
        "halted_ms",
        "held",
        "holding",
        "in_progress",
        "interval",
        "marked",
        "marked_ms",
        "orders",
        "plan",
        "proven",
        "quiet",
        "reclaimed_until_ms",
        "refused",
        "replay_until_ms",
        "revisions",
        "seen",
        "silent_ms",
        "silent_slots",
        "slots",
        "stated_ms",
        "symbol",
        "unknown",
        "wanted",
        "watched_ms",
        "watermark_ms",
        "weak",
    )  # fmt: skip

    def __init__(self, symbol: str, plan: InstrumentPlan, known: KnownSymbol | None) -> None:
        self.symbol = symbol
        self.plan = plan
        self.interval = plan.base
        self.slots = SlotGrid(plan.calendar, plan.base_ms)
        self.watermark_ms = None if known is None else known.watermark_ms
        self.seen: dict[int, Bar | None] = {} if known is None else dict(known.seen)
        self.silent_ms = FAR_PAST_MS
        self.clock_ms = FAR_PAST_MS
        self.orders: dict[int, int] = {}
        self.revisions: dict[int, int] = {}
        self.flapping: set[int] = set()
        self.in_progress: dict[int, HeardStatement] = {}
        self.connections: dict[int, int] = {}
        self.unknown = Stretches()
        self.proven = Stretches()
        self.weak: list[tuple[int, int, int]] = []
        self.holding: int | None = None
        self.held: list[HeardStatement] = []
        self.backed = Stretches()
        self.reclaimed_until_ms = FAR_PAST_MS
        self.stated_ms = FAR_PAST_MS
        self.refused = False
        self.barred = False
        self.ahead_in_a_row = 0
        self.marked_ms = FAR_PAST_MS
        self.marked = Stretches()
        self.replay_until_ms = FAR_PAST_MS
        self.halted_ms: int | None = None
        self.empty: set[int] = set()
        self.absent: dict[int, int] = {}
        self.quiet: QuietRun | None = None
        self.silent_slots = 0
        self.wanted = False
        self.asked_label_ms = FAR_PAST_MS
        self.asked_ms = FAR_PAST_MS
        self.watched_ms = 0

    @property
    def reached_ms(self) -> int | None:
        """Up to where every slot has a bar, or is known to have none or to lie in a hole."""
        if self.watermark_ms is None:
            return None
        return max(self.watermark_ms, self.silent_ms)

    def written_by_other(self, label_ms: int, backup: bool, order_ms: int) -> bool:
        """Whether a slot is the other provider's: it may not be revised by this one."""
        backed = self.backed.meets(label_ms, label_ms + 1)
        if backup:
            return not backed
        return backed and order_ms >= self.reclaimed_until_ms

    def forget(self, before_ms: int) -> None:
        """Drop what is remembered of slots before an instant."""
        for book in (self.seen, self.orders, self.revisions, self.absent):
            for label in [label for label in book if label < before_ms]:
                del book[label]
        self.flapping = {label for label in self.flapping if label >= before_ms}
        self.empty = {label for label in self.empty if label >= before_ms}
        self.proven.remove(FAR_PAST_MS, before_ms)
        self.marked.remove(FAR_PAST_MS, before_ms)
        self.backed.remove(FAR_PAST_MS, before_ms)
