"""Runs of slots without a bar, and what showed that there is none: one event a run."""

from __future__ import annotations

from collections.abc import Iterator

from tapeline.schemas.feed_events import Evidence, Quiet
from tapeline.schemas.ids import quiet_id
from tapeline.streams.feeds.live.engine.evidence import Connected, proof_of_silence
from tapeline.streams.feeds.live.engine.outbox import Outbox
from tapeline.streams.feeds.live.engine.symbol import FeedSymbol, QuietRun


class QuietRuns:
    """Events ``quiet`` of a feed: a run ends with a bar, a close, or evidence of another kind.

    Parameters
    ----------
    connections
        Those that are live, by number: what came by them is evidence.
    """

    def __init__(self, feed: str, outbox: Outbox, connections: dict[int, Connected]) -> None:
        self._feed = feed
        self._outbox = outbox
        self._connections = connections

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
        if run is not None:
            state.quiet = None
            self._report(state, run, wall_ms)

    def late(
        self, state: FeedSymbol, from_ms: int, to_ms: int, evidence: Evidence, wall_ms: int
    ) -> None:
        """Slots that the watermark has passed turn out to have no other bars than those seen."""
        run: QuietRun | None = None
        for label in state.slots.labels(from_ms, to_ms):
            if state.seen.get(label) is None:
                begin_ms = label if run is None else run.from_ms
                run = QuietRun(begin_ms, state.slots.end(label), evidence)
            elif run is not None:
                self._report(state, run, wall_ms)
                run = None
        if run is not None:
            self._report(state, run, wall_ms)

    def before_bar(self, state: FeedSymbol, label_ms: int, wall_ms: int) -> None:
        """The next bar of a symbol came: the slots before it that were covered had none.

        What no connection had and no answer proved lies in a hole.
        """
        reached_ms = state.reached_ms
        if reached_ms is not None and label_ms > reached_ms:
            first_ms = max(state.slots.at(reached_ms), reached_ms)
            for run in self._known_runs(state, first_ms, label_ms):
                if state.slots.count(run.from_ms, run.to_ms):
                    self.extend(state, *run, wall_ms)
        self.end(state, wall_ms)

    def _known_runs(self, state: FeedSymbol, from_ms: int, to_ms: int) -> Iterator[QuietRun]:
        """Parts of a stretch before a bar whose silence is known, ascending."""
        at_ms = from_ms
        for begin, end in [*state.unknown.within(from_ms, to_ms), (to_ms, to_ms)]:
            while at_ms < begin:
                run = self._known_run(state, at_ms, begin, to_ms)
                yield run
                at_ms = run.to_ms
            at_ms = max(at_ms, end)

    def _known_run(self, state: FeedSymbol, from_ms: int, to_ms: int, bar_ms: int) -> QuietRun:
        """The beginning of a stretch, by the strongest evidence that its first slot has."""
        slots = state.slots
        label = slots.at(from_ms)
        if label >= to_ms:
            return QuietRun(from_ms, to_ms, "canary")
        proof = proof_of_silence(state, label, "canary", self._connections, bar_ms, 0)
        if proof is not None and proof.evidence != "canary":
            until_ms = max(proof.until_ms, slots.end(label))
            return QuietRun(from_ms, min(until_ms, to_ms), proof.evidence)
        # The bar itself shows that the connection was in order: a canary of its own.
        return QuietRun(from_ms, min(slots.end(label), to_ms), "canary")

    def _report(self, state: FeedSymbol, run: QuietRun, wall_ms: int) -> None:
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
