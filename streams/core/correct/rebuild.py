"""Running bars again, as they were and as they are (docs/rules.md 7)."""

from __future__ import annotations

from bisect import bisect_left

from tapeline.schemas.events import Event
from tapeline.streams.core.correct.corrections import Change, Correction, differences
from tapeline.streams.core.history.book import PackedRow
from tapeline.streams.core.history.ring import GAP, NOWHERE_MS, RestorePoint
from tapeline.streams.core.stamp import Stamp
from tapeline.streams.core.ticks import TickScale
from tapeline.streams.core.tracks import SymbolTracks


class Rebuild:
    """Two runs of the tracks of one symbol over the same stretch; the second one stays.

    Parameters
    ----------
    tracks, stamp
        Those of the symbol.
    """

    def __init__(self, tracks: SymbolTracks, stamp: Stamp, scale: TickScale) -> None:
        self._tracks = tracks
        self._stamp = stamp
        self._scale = scale

    def run(
        self,
        correction: Correction,
        base: RestorePoint | None,
        end: int,
        firsts: tuple[int, int],
        versions: tuple[PackedRow | None, PackedRow | None],
        in_session: bool,
        old_rows: list[PackedRow],
    ) -> list[Change]:
        """Run the bars from a restore point before they differ; returns what changed, in no order.

        Parameters
        ----------
        correction
            Gets how far back the runs went, and how many bars they took.
        base, end
            Latest restore point that does not know the bar, None for the start; end of the bar.
        firsts
            Label of the symbol's first bar before and after.
        versions
            The corrected bar before and after.
        old_rows
            In-session bars as they were, from `base` on.
        """
        tracks = self._tracks
        stamp = self._stamp
        watermark_ms = tracks.watermark_ms
        start = correction.start_ms
        before, row = versions
        index = bisect_left(old_rows, start, key=_label)
        shared = old_rows[:index] if firsts[0] == firsts[1] else []
        new_rows = old_rows
        if in_session:
            after = index + 1 if before is not None else index
            new_rows = [*old_rows[:index], *([] if row is None else [row]), *old_rows[after:]]
        correction.from_ms = None if base is None else base.watermark_ms
        correction.bars_again = len(old_rows) + len(new_rows) - len(shared)
        history = tracks.history
        history.remembering = False
        stamp.muted = True
        self._go_to(base, firsts[0])
        self._run_again(shared, NOWHERE_MS, {})
        branch = None if firsts[0] != firsts[1] else tracks.capture(GAP)

        old_events = self._run_on(old_rows[len(shared) :], watermark_ms)
        if branch is None:
            self._go_to(None, firsts[1])
            history.ring.drop_from(NOWHERE_MS)
        else:
            tracks.install(branch)
            history.ring.drop_from(end)
        history.remembering = True
        new_events = self._run_on(new_rows[len(shared) :], watermark_ms)
        stamp.muted = False

        standing = self._standing(branch, old_events, new_events)
        return differences(old_events, new_events, standing)

    def _go_to(self, base: RestorePoint | None, first_label_ms: int) -> None:
        """Put the tracks to a restore point, or to the start of a history with that first label."""
        if base is not None:
            self._tracks.install(base)
            return
        self._tracks.reset()
        if first_label_ms != NOWHERE_MS:
            self._tracks.begin(first_label_ms)

    def _run_on(self, rows: list[PackedRow], watermark_ms: int) -> dict[str, Event]:
        """Run bars from where the tracks are; the last version of every fact."""
        tracks = self._tracks
        facts: dict[str, Event] = {}
        if tracks.first_label_ms == NOWHERE_MS:
            tracks.watermark_ms = watermark_ms
        else:
            self._run_again(rows, watermark_ms, facts)
        return facts

    def _run_again(self, rows: list[PackedRow], watermark_ms: int, facts: dict[str, Event]) -> None:
        """In-session bars in order, then the time up to a watermark (`NOWHERE_MS`: not).

        `facts` takes the last version of every fact on the way.
        """
        tracks = self._tracks
        calendar = tracks.calendar
        base_ms = tracks.base_ms
        for row in rows:
            start: int = row[0]
            if start == tracks.fast_path_ms:
                if type(row[5]) is not int:
                    tracks.whole = False
                published = tracks.apply_next(row, row[2], row[3], start + base_ms, 0)
            else:
                tracks.flush()
                published = tracks.apply_any(row, calendar.slot_end(start, base_ms), True, 0)
            # No view: a run without corrections takes nothing back.
            for event in published:
                facts[event.id] = event
        tracks.flush()
        if watermark_ms > tracks.watermark_ms:
            for event in tracks.pass_time(watermark_ms, 0):
                facts[event.id] = event

    def _standing(
        self, branch: RestorePoint | None, old: dict[str, Event], new: dict[str, Event]
    ) -> dict[str, Event]:
        """Content at the branch of the facts that only one of two runs touched."""
        rules = self._tracks.rules
        wanted = [fact_id for fact_id in old if fact_id not in new]
        wanted += [fact_id for fact_id in new if fact_id not in old]
        found: dict[str, Event] = {}
        if wanted:
            for fact in rules.standing(branch, wanted):
                found[fact.id] = fact
        rules.all.end_of_runs()
        return found


def _label(row: PackedRow) -> int:
    label: int = row[0]
    return label
