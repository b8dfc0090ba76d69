"""What became of the rows of a run, and what they did to the view."""

from __future__ import annotations

from typing import Any, NamedTuple

from tapeline.schemas.event_types import Registry
from tapeline.schemas.events import Output, Reject, Retract, type_of
from tapeline.schemas.host_events import HostEvent
from tapeline.schemas.registry import EVENTS
from tapeline.streams.pipeline.refusals import RowRefusals

SUMMARY_NAMES = {
    "accepted": "new",
    "off_session": "new",
    "late": "late",
    "changed": "changed",
    "cancelled": "cancelled",
    "duplicates": "duplicate",
    "clocks": "clock",
    "idle": "idle",
}
"""How the summary names the outcomes of records."""
ROWS = (
    "new",
    "duplicate",
    "changed",
    "cancelled",
    "late",
    "clock",
    "idle",
    "superseded",
    "rejected",
    "skipped",
)
FACTS = ("new", "changed", "recalculated", "retracted")


class RefusedRows(NamedTuple):
    """Dead letters of one code.

    Attributes
    ----------
    number
        How many there are.
    first
        Source of the first.
    reason
        Why that one is refused.
    """

    number: int
    first: str
    reason: str

    def plain(self) -> dict[str, Any]:
        """Plain data for tables and JSON."""
        return {"count": self.number, "first": self.first, "reason": self.reason}


class StoreCounts:
    """Counters of one run; a run that goes on after a kill goes on counting.

    Attributes
    ----------
    records_before
        Records of the log when the run began.
    bars_again
        Bars that corrections ran again.
    rows
        Records by what became of them; superseded are bars that a later row replaced, skipped
        those before ``--from``.
    off_session
        New bars outside the calendar.
    appended
        Records that are no rows of an input: clocks of ``--until``, cancels of ``--replace``.
    recovered
        Records that an earlier, killed run had added to the log.
    facts
        By type: published for the first time, again in the course of time, again after a
        correction, taken back.
    rejects
        Dead letters by code.
    refusals
        Rows that are dead letters, by code and by input.
    rebuilt
        Groups that were run again from their bars.
    for_settings
        Those of them that were so for other indicators, windows or derived intervals.
    hosted
        Events of strategies and their accounts, by type; of types that there were.
    """

    def __init__(self, records_before: int = 0, registry: Registry = EVENTS) -> None:
        self._registry = registry
        self.records_before = records_before
        self.bars_again = 0
        self.rows = dict.fromkeys(ROWS, 0)
        self.off_session = 0
        self.appended = 0
        self.recovered = 0
        self.facts = {kind: dict.fromkeys(FACTS, 0) for kind in registry.facts}
        self.rejects: dict[str, RefusedRows] = {}
        self.refusals = RowRefusals()
        self.rebuilt: list[str] = []
        self.for_settings: list[str] = []
        self.hosted: dict[str, int] = {}

    def outcome(self, kind: str) -> None:
        """A record that was taken."""
        self.rows[SUMMARY_NAMES[kind]] += 1
        if kind == "off_session":
            self.off_session += 1

    def letter(self, letter: Reject, path: str | None) -> None:
        """A dead letter, also one that was before; `path` is that of its input, if it is a row."""
        if path is not None:
            self.refusals.add(path, letter.code)
        self.rows["rejected"] += 1
        known = self.rejects.get(letter.code)
        if known is None:
            known = RefusedRows(0, letter.source, letter.reason)
        self.rejects[letter.code] = RefusedRows(known.number + 1, known.first, known.reason)

    def fact(self, event: Output, known: bool, corrected: bool) -> None:
        """An event: whether the view held its id, and whether a correction caused it."""
        if isinstance(event, Retract):
            self.facts[event.type]["retracted"] += 1
            return
        what = "new"
        if known:
            what = "recalculated" if corrected else "changed"
        self.facts[type_of(event)][what] += 1

    def host_event(self, event: HostEvent) -> None:
        """An event of a strategy or of an account."""
        kind = self._registry.row_of(event).tag
        self.hosted[kind] = self.hosted.get(kind, 0) + 1

    def repeated(self) -> StoreCounts:
        """Counters of the same run over the same rows, right after this one."""
        counts = StoreCounts(self.records_before, self._registry)
        counts.rejects = self.rejects
        counts.refusals = self.refusals
        for name in ("superseded", "rejected", "skipped"):
            counts.rows[name] = self.rows[name]
        counts.rows["duplicate"] = sum(self.rows.values()) - sum(counts.rows.values())
        counts.appended = self.appended
        return counts

    def plain(self) -> dict[str, Any]:
        """Plain data for the checkpoint."""
        return {
            "records_before": self.records_before,
            "bars_again": self.bars_again,
            "rows": dict(self.rows),
            "off_session": self.off_session,
            "appended": self.appended,
            "recovered": self.recovered,
            "facts": {kind: dict(counts) for kind, counts in self.facts.items()},
            "rejects": {code: list(found) for code, found in self.rejects.items()},
            "refusals": self.refusals.plain(),
            "rebuilt": list(self.rebuilt),
            "for_settings": list(self.for_settings),
            "hosted": dict(self.hosted),
        }

    @staticmethod
    def of(data: dict[str, Any], registry: Registry = EVENTS) -> StoreCounts:
        """The counters whose `plain` this is."""
        counts = StoreCounts(data["records_before"], registry)
        counts.bars_again = data["bars_again"]
        counts.rows.update(data["rows"])
        counts.off_session = data["off_session"]
        counts.appended = data["appended"]
        counts.recovered = data["recovered"]
        counts.facts.update(data["facts"])
        counts.rejects = {code: RefusedRows(*found) for code, found in data["rejects"].items()}
        counts.refusals = RowRefusals.of(data["refusals"])
        counts.rebuilt = data["rebuilt"]
        # A run of an earlier version did not count them.
        counts.for_settings = data.get("for_settings", [])
        counts.hosted = data.get("hosted", {})
        return counts
