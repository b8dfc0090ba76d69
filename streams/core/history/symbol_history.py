"""The past of one symbol: when its restore points are made, and which are kept."""

from __future__ import annotations

from tapeline.streams.core.history.ring import (
    HOUR,
    NOWHERE_MS,
    SESSION,
    RestorePoint,
    RestorePointClock,
    RestorePoints,
)
from tapeline.streams.core.plan import InstrumentPlan
from tapeline.streams.core.rules import SymbolRules


class SymbolHistory:
    """Restore points of one symbol.

    A point is made between two records, when all bars are flushed and the sessions know how far the
    run of bars came.

    Attributes
    ----------
    ring
        The points to go back to.
    clock
        When the next one is due.
    remembering
        Whether points are added to the ring.
    """

    __slots__ = ("_rules", "clock", "remembering", "ring")

    def __init__(self, plan: InstrumentPlan, rules: SymbolRules) -> None:
        self._rules = rules
        self.ring = RestorePoints()
        self.clock = RestorePointClock(plan.calendar, plan.base_ms)
        self.remembering = True

    def start(self, watermark_ms: int) -> None:
        """The trackers are at a watermark that they did not come to by records."""
        session = self._rules.sessions.index
        self.clock.session = session
        self.clock.find(session, watermark_ms)

    def capture(self, kind: int, watermark_ms: int) -> RestorePoint:
        """The present point."""
        bars = self._rules.bars
        point = RestorePoint(kind, watermark_ms, bars.position)
        point.last, point.before = bars.last, bars.before
        point.points = self._rules.all.restore_point()
        return point

    def install(self, point: RestorePoint) -> None:
        """Bring the trackers to a point, which stays as it is."""
        point.unpack(self._rules.all)
        self._rules.rewind(point)
        self.start(point.watermark_ms)

    def pass_boundary(self, watermark_ms: int, horizon_ms: int) -> None:
        """The watermark has reached an hour or a session: keep a point.

        Parameters
        ----------
        horizon_ms
            As `prune` has it; `NOWHERE_MS` keeps all there are.
        """
        session = self._rules.sessions.index
        clock = self.clock
        if self.remembering:
            if session != clock.session:
                self.ring.add(self.capture(SESSION, watermark_ms))
                clock.session = session
                if horizon_ms != NOWHERE_MS:
                    self.prune(watermark_ms, horizon_ms)
            else:
                self.ring.add(self.capture(HOUR, watermark_ms))
        clock.find(session, watermark_ms)

    def pass_gap(self, watermark_ms: int, instant_ms: int) -> None:
        """Before slots go by without a bar: keep a point, for the bars that come late."""
        if not self.remembering or watermark_ms == NOWHERE_MS:
            # A history that is run again begins with a label, and knows nothing before its bar.
            return
        kind = self.clock.kind_before(instant_ms)
        if self.ring.prepare_gap(kind, watermark_ms, self._rules.bars.position):
            self.ring.add(self.capture(kind, watermark_ms))

    def prune(self, watermark_ms: int, horizon_ms: int) -> None:
        """Forget the points that nothing goes back to any more.

        Parameters
        ----------
        horizon_ms
            Open of the oldest session that corrections reach.
        """
        recent_ms = self.clock.recent_ms(self._rules.sessions.index, watermark_ms)
        self.ring.prune(horizon_ms, recent_ms)
        oldest = self.ring.oldest()
        if oldest is not None:
            self._rules.release(oldest)
