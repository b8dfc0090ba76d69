"""Runs of slots without a bar, and what showed that there is none: one event a run."""

from __future__ import annotations

from tapeline.schemas.feed_events import Evidence, Quiet
from tapeline.schemas.ids import quiet_id
from tapeline.streams.feeds.live.engine.outbox import Outbox
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol, QuietRun


class QuietRuns:
    """Events ``quiet`` of a feed: a run ends with a bar, a close, or evidence of another kind."""

    def __init__(self, feed: str, outbox: Outbox) -> None:
        self._feed = feed
        self._outbox = outbox

    def extend(
        self, state: FeedSymbol, from_ms: int, to_ms: int, evidence: Evidence, wall_ms: int
    ) -> None:
        """The slots with from_ms <= label < to_ms have no bar, by this evidence."""
        run = state.quiet
        if (
            run is not None
            and run.evidence == evidence
            and run.to_ms >= state.slots.last_end(from_ms)
        ):
            state.quiet = QuietRun(run.from_ms, to_ms, evidence)
            return
        self.end(state, wall_ms)
        state.quiet = QuietRun(from_ms, to_ms, evidence)

    def end(self, state: FeedSymbol, wall_ms: int) -> None:
        """Report the run that a symbol is in, if it is in one."""
        run = state.quiet
        if run is None:
            return
        state.quiet = None
        self._outbox.report(
            Quiet(
                id=quiet_id(self._feed, state.symbol, run.from_ms),
                feed=self._feed,
                symbol=state.symbol,
                at_ms=wall_ms,
                from_ms=run.from_ms,
                to_ms=run.to_ms,
                evidence=run.evidence,
            )
        )

    def before_bar(self, state: FeedSymbol, label_ms: int, wall_ms: int) -> None:
        """The next bar of a symbol came: the slots before it that were covered had none.

        What no connection had and no answer proved lies in a hole.
        """
        reached_ms = state.reached_ms
        if reached_ms is not None and label_ms > reached_ms:
            first_ms = max(state.slots.at(reached_ms), reached_ms)
            for begin, end, evidence in _known_parts(state, first_ms, label_ms):
                if state.slots.count(begin, end):
                    self.extend(state, begin, end, evidence, wall_ms)
        self.end(state, wall_ms)


def _known_parts(state: FeedSymbol, from_ms: int, to_ms: int) -> list[tuple[int, int, Evidence]]:
    """Parts of a stretch whose silence is known, ascending."""
    parts: list[tuple[int, int, Evidence]] = []
    at_ms = from_ms
    for begin, end in [*state.unknown.within(from_ms, to_ms), (to_ms, to_ms)]:
        while at_ms < begin:
            proven = state.proven.within(at_ms, begin)
            if not proven:
                parts.append((at_ms, begin, "canary"))
                break
            if at_ms < proven[0][0]:
                parts.append((at_ms, proven[0][0], "canary"))
            parts.append((*proven[0], "history"))
            at_ms = proven[0][1]
        at_ms = max(at_ms, end)
    return parts
